package catalogue

import (
	"federation-agent/internal/federation"
	"federation-agent/internal/survey"
	"federation-agent/messages"
)

// Found is what gathered listings have found, as those read it who foretell an ingest.
func Found(integration string, filter federation.Filter, m messages.LossesJudged) survey.Found {
	out := survey.Found{
		Integration: integration, Filter: filter, APIs: m.Catalogue.APIs, Whole: m.Catalogue.Whole,
		Unconfirmed: m.Unconfirmed, Off: m.Catalogue.Off,
	}
	for _, t := range m.Catalogue.Listings {
		unlisted := make(map[string]string, len(t.Unlisted))
		for api, o := range t.Unlisted {
			unlisted[api] = o.Why
		}
		out.Listings = append(out.Listings, survey.Listing{
			Target: t.Target, Complete: t.Complete, Failure: t.Failure, Cause: t.Cause,
			StartedAt: t.StartedAt, APIs: t.APIs, Plans: t.Plans, Asked: t.Asked, Unlisted: unlisted,
			DomainCalls: t.DomainCalls, DomainGap: t.DomainGap,
		})
	}
	return out
}
