package catalogue

import (
	"maps"
	"slices"

	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// Lost are the ids of APIs that were sent before, and are not among those that are there now, in order. What a filter
// leaves out, and what could not be listed, is none of them.
func Lost(judged messages.LossesJudged, apis []federation.NamedEntry, filter federation.Filter) (lost []string) {
	known := maps.Clone(judged.Plans)
	for _, e := range apis {
		delete(known, e.ID().String())
	}
	complete := map[federation.Target]messages.TargetListing{}
	for _, l := range judged.Catalogue.Listings {
		if l.Complete {
			complete[l.Target] = l
		}
	}
	for text := range known {
		id, err := federation.ParseID(text)
		l, listed := complete[id.Target()]
		if _, unlisted := l.Unlisted[id.RestAPI]; err == nil && listed && !unlisted && !filter.LeavesOut(id, l.APIs, l.Asked) {
			lost = append(lost, text)
		}
	}
	slices.Sort(lost)
	return lost
}

// Estimate is how many APIs a gathering is about, as far as it can be known; never 0, which would end an ingest.
func Estimate(m messages.GatheredAPIs) int {
	total := 0
	for _, l := range m.Listings {
		total += l.Estimate
	}
	return max(1, total)
}
