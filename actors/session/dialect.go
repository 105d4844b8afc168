package session

import (
	"federation-agent/internal/exchange"
	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// inOneLanguage turns a command of either dialect into the agent's own.
func inOneLanguage(ref messages.CommandRef, payload any) messages.Command {
	switch c := payload.(type) {
	case exchange.StartIngest:
		return messages.StartIngest{CommandRef: ref, JobID: c.JobID, APIIDs: c.APIIDs}
	case exchange.Fetch:
		return messages.Fetch{CommandRef: ref}
	case exchange.Subscribe:
		return messages.Subscribe{
			CommandRef: ref, APIID: c.APIID, SubscriptionID: c.SubscriptionID,
			ApplicationID: c.ApplicationID, ApplicationName: c.ApplicationName,
			PlanID: c.Metadata[federation.MetadataPlanID], Type: c.Type,
		}
	case exchange.Unsubscribe:
		return messages.Unsubscribe{
			CommandRef: ref, APIID: c.APIID, SubscriptionID: c.SubscriptionID, Metadata: ours(c.Metadata),
		}
	default: // DISCOVER and LIST
		return messages.Discover{CommandRef: ref}
	}
}

// ours is what the agent itself has put into a subscription's metadata, and the plan. They may hold anything else, and
// a command is kept until it is answered.
func ours(metadata map[string]string) map[string]string {
	kept := map[string]string{}
	for _, name := range []string{
		federation.MetadataKeyID, federation.MetadataAccountID, federation.MetadataRegion,
		federation.MetadataUsagePlanID, federation.MetadataPlanID,
	} {
		if value, found := metadata[name]; found {
			kept[name] = value
		}
	}
	return kept
}

// inDialect is the frame that answers a command of type typ; nil if the answer is of another command.
func inDialect(typ string, a messages.Answer) exchange.Parts {
	switch r := a.Reply.(type) {
	case messages.Refused:
		return exchange.Parts{exchange.AppendErrorReply(nil, typ, a.ID, r.Reason)}
	case messages.Discovered:
		switch typ {
		case exchange.TypeDiscover:
			return exchange.DiscoverReply(a.ID, r.Summaries, r.Partial)
		case exchange.TypeList:
			return exchange.ListReply(a.ID, r.Summaries)
		}
	case messages.Fetched:
		if typ == exchange.TypeFetch {
			return exchange.FetchReply(a.ID, r.APIs)
		}
	case messages.IngestStarted:
		if typ == exchange.TypeStartIngest {
			return exchange.Parts{exchange.AppendStartIngestReply(nil, a.ID, r.JobID, int64(r.Total))}
		}
	case messages.Subscribed:
		if typ == exchange.TypeSubscribe {
			return exchange.Parts{exchange.AppendSubscribeReply(nil, a.ID, r.SubscriptionID, r.Metadata, r.APIKey)}
		}
	case messages.Unsubscribed:
		if typ == exchange.TypeUnsubscribe {
			return exchange.Parts{exchange.AppendUnsubscribeReply(nil, a.ID)}
		}
	}
	return nil
}
