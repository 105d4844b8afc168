package node

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/status"
	"federation-agent/internal/words"
)

// attention is one thing that needs somebody.
type attention struct {
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
	// Do is a sentence without its full stop.
	Do string `json:"do"`
	// Minor is what nobody has to get up for.
	Minor bool `json:"minor,omitempty"`
	// Section is where the page tells more.
	Section string `json:"-"`
}

// awayFor is how long a session that was there may be away before that needs somebody: a connection that is cut, or that
// APIM ends on purpose, is there again in a second or two.
const awayFor = 5 * time.Second

// needs lists everything that waits for a person, the most urgent first: what serves nobody, then what is at risk, then
// what is to be cleaned up. What mends itself is not in it before it has failed.
func needs(r report) []attention {
	found := slices.Concat(sessionsAway(r), storeTroubles(r), replicasTroubles(r), targetsFailed(r), ingestTroubles(r), drifted(r),
		keyTroubles(r), subscriptionsRefused(r), domainsUnknown(r), throttled(r))
	return append([]attention{}, found...) // none are [], not null
}

func sessionsAway(r report) (found []attention) {
	for _, i := range r.Serving {
		a := attention{Why: i.Session.LastError, Section: "sessions"}
		switch i.Session.State {
		case status.Ended:
			a.What = "APIM has dismissed integration " + i.ID
			a.Do = "see in APIM whether the integration still exists; if it does, start the agent again"
		case status.Away:
			hasFailed := i.Session.Connects == 0 && a.Why != "" // there was none: waiting changes nothing
			if !hasFailed && r.Now.Sub(i.Session.Since) < awayFor {
				continue
			}
			a.What, a.Why = "No session to APIM for integration "+i.ID, cmp.Or(a.Why, "APIM has not answered yet")
			a.Do = "what the reason says; federation-agent doctor tries each step on the way to APIM. The agent keeps trying"
		case status.Up:
			continue
		}
		found = append(found, a)
	}
	return found
}

func storeTroubles(r report) (found []attention) {
	why := strings.Join(r.Store.Messages, ". ")
	switch {
	case !r.Store.Durable && r.Store.Shared != nil:
		found = append(found, attention{
			What: "The journal's table does not confirm that this agent lives", Section: "replicas",
			Why: cmp.Or(r.Store.Failure, why, "it has not answered yet"),
			Do:  "what the reason says; no key is made and no ingest is sent meanwhile. The agent tries again by itself",
		})
		return found // the keys cannot be read for the same reason
	case !r.Store.Durable:
		found = append(found, attention{
			What: "New data does not outlive this process", Why: why, Section: "about",
			Do: "see to the disk or the volume, as the reason says",
		})
	case r.Store.Shared != nil && !r.Store.AwaySince.IsZero():
		found = append(found, attention{
			What: "The journal's table cannot be used", Why: why, Section: "replicas",
			Do: "what the reason says. The agent tries again by itself",
		})
	case r.Store.Shared != nil && !r.Store.RestoredAt.IsZero(): // see replicasTroubles
	case why != "":
		found = append(found, attention{
			What: "Something was lost, or may be", Why: why, Section: "about", Do: "what the reason says",
		})
	}
	if r.Keys.Problem != "" {
		found = append(found, attention{
			What: "The key journal cannot be read", Why: r.Keys.Problem, Section: "keys", Do: "see to the disk or the volume",
		})
	}
	return found
}

// targetsFailed puts the accounts and regions together that fail for the same reason.
func targetsFailed(r report) (found []attention) {
	for _, i := range r.Serving {
		places := map[string][]string{}
		var reasons []string
		for _, t := range i.Targets {
			if t.State != status.Failed {
				continue
			}
			if places[t.Failure] == nil {
				reasons = append(reasons, t.Failure)
			}
			places[t.Failure] = append(places[t.Failure], words.Place(t.Account, t.Region))
		}
		for _, why := range reasons {
			found = append(found, attention{
				What: "AWS cannot be used in " + words.Few(places[why], words.Some, ", "), Why: why, Section: "targets",
				Do: "what the reason says; federation-agent doctor tries each call, federation-agent policy prints the " +
					"permissions. The agent tries again by itself",
			})
		}
	}
	return found
}

// domainsUnknown names the places where base URLs are missing.
func domainsUnknown(r report) (found []attention) {
	for _, i := range r.Serving {
		var places []string
		why := ""
		for _, t := range i.Targets {
			if t.DomainsUnknown != "" {
				places, why = append(places, words.Place(t.Account, t.Region)), t.DomainsUnknown
			}
		}
		if len(places) > 0 {
			found = append(found, attention{
				What: "AWS does not list all custom domain names in " + words.Few(places, words.Some, ", "), Why: why,
				Section: "targets", Do: "grant what agent.discovery.customDomains needs (federation-agent policy prints it), or " +
					"switch it off. APIs go out without these base URLs",
			})
		}
	}
	return found
}

func ingestTroubles(r report) (found []attention) {
	for _, i := range r.Serving {
		if i.UnusedStages != "" {
			found = append(found, attention{
				What: "The stage filter of integration " + i.ID + " names stages that no API has", Why: i.UnusedStages,
				Section: "ingests", Do: "correct configuration.0_stage, 1_stage …; upper and lower case count",
			})
		}
		for _, u := range i.UnusedFilters {
			found = append(found, attention{
				What: "Entries of " + u.Setting + " of integration " + i.ID + " do nothing", Why: u.Entries,
				Section: "ingests", Do: "correct it, upper and lower case count; federation-agent discover shows what each entry does",
			})
		}
		if len(i.Guard) > 0 {
			found = append(found, attention{
				What: "AWS does not list plans of integration " + i.ID + " any more that APIM has",
				Why:  strings.Join(i.Guard, "; "), Section: "ingests",
				Do: "if that is not meant, put the stages back into their usage plans in AWS. What is not confirmed yet is " +
					"left out of ingests until a second listing in five minutes. The next ingest after that deletes these " +
					"plans in APIM with their subscriptions",
			})
		}
		switch last := i.LastIngest; {
		case last == nil:
		case last.Failure != "":
			found = append(found, attention{
				What: "The last ingest of integration " + i.ID + " failed", Why: last.Failure, Section: "ingests",
				Do: "mend that, and ingest again in APIM",
			})
		case last.Omitted > 0:
			found = append(found, attention{
				What: "The last ingest left out " + count(last.Omitted, "API"), Section: "ingests",
				Why: strings.Join(reasons(last.OmittedBy), ", ") + ". The first: " + words.Few(last.LeftOut, 1, ""),
				Do:  "mend the reasons, and ingest again in APIM",
			})
		}
	}
	return found
}

func keyTroubles(r report) (found []attention) {
	add := func(what string, keys []keyReport, why, do string) {
		if len(keys) > 0 {
			found = append(found, attention{
				What: fmt.Sprintf("%s: %d", what, len(keys)), Why: why, Do: do, Section: "keys",
			})
		}
	}
	do := func(keys []keyReport) string {
		if len(keys) == 0 {
			return ""
		}
		return keys[0].Do
	}
	somebodys := func(keys []keyReport) []keyReport {
		return slices.DeleteFunc(slices.Clone(keys), func(k keyReport) bool { return k.alone })
	}
	k := r.Keys
	unconfirmed, lost := somebodys(k.Unconfirmed), somebodys(k.LostCreates)
	add("Unconfirmed keys", unconfirmed, "APIM may have these keys or not, and they give access to their API",
		do(unconfirmed))
	add("Lost creates", lost, "AWS may have made these keys, and its answer was lost", do(lost))
	add("Keys to be deleted that nothing configured reaches", k.Unserved, "They may give access to their API",
		do(k.Unserved))
	failing := slices.DeleteFunc(slices.Clone(k.Deletions), func(k keyReport) bool {
		return k.LastError == "" || k.Do != "" || !k.Acknowledged.At.IsZero()
	})
	if len(failing) > 0 {
		add("Keys that AWS does not let go", failing, failing[0].LastError,
			"what the reason says; federation-agent policy prints the permissions. The agent tries again by itself")
	}
	return found
}

// subscriptionsRefused is what APIM wanted of keys in the last hour and did not get. Its publisher may not know what to do
// in AWS.
func subscriptionsRefused(r report) (found []attention) {
	for _, i := range r.Serving {
		last := i.Subscriptions.Last
		n := i.Subscriptions.Since(r.Now.Add(-time.Hour))
		if n > 0 {
			found = append(found, attention{
				What: fmt.Sprintf("Subscriptions of integration %s failed in the last hour, or their ends: %d", i.ID, n),
				Why:  last.Type + " " + last.Subscription + ": " + last.Reason, Section: "commands",
				Do: "what the reason says, then again in APIM",
			})
		}
	}
	return found
}

// throttled names who uses AWS's quota beside the agent, while it does.
func throttled(r report) (found []attention) {
	const minutes = 5 // the agent goes back to its share in that time
	for _, q := range r.Quotas {
		lately := uint32(0)
		for _, m := range q.LastHour {
			if r.Now.Sub(m.At).Minutes() < minutes {
				lately += m.Throttled
			}
		}
		if lately > 0 && q.Rate < q.Share {
			found = append(found, attention{
				What: "AWS throttles calls in " + words.Place(q.Account, q.Region), Minor: true, Section: "quota",
				Why: fmt.Sprintf("%d calls were refused in five minutes; the agent allows itself %.2f of %.2f requests a second",
					lately, q.Rate, q.Share),
				Do: "if it stays so, find out who else calls API Gateway there, or lower agent.quota.share",
			})
		}
	}
	return found
}
