package federation

import (
	"slices"
	"strings"

	"federation-agent/internal/gateway"
	"federation-agent/internal/words"
)

// Filter says which (REST API, stage) pairs are federated: those that the stage filter and each rule accept.
type Filter struct {
	// AcceptWithoutPlan adds the stages that are in no usage plan.
	AcceptWithoutPlan bool
	// Stages are the exact names of the wanted stages. None means all stages.
	Stages []string
	// Rules are what is told apart by globs and tags. Each has entries.
	Rules []Rule
}

// Rule is one setting that filters. Without Exclude only what one of its entries matches passes, with it only what none
// matches: so what is excluded stays out, whatever includes it.
type Rule struct {
	// Setting is its key, below that of its provider.
	Setting string
	Of      Subject
	Exclude bool
	// Entries are names, or tags as KEY or KEY=VALUE. In each, * stands for any characters and ? for one. Upper and lower
	// case count.
	Entries []string
}

// Subject is what a rule looks at.
type Subject int8

// The subjects.
const (
	APIName Subject = iota
	APITag
	StageName
	// StageTag is known only after a GetStages.
	StageTag
)

// OfStage says that the subject tells the stages of one REST API apart.
func (s Subject) OfStage() bool { return s >= StageName }

// OfTags says that entries are tags.
func (s Subject) OfTags() bool { return s == APITag || s == StageTag }

// StageFilter is the setting that [Filter.Stages] comes from.
const StageFilter = "configuration.0_stage"

// All are the rules, with the stage filter as one of them.
func (f Filter) All() []Rule {
	if len(f.Stages) == 0 {
		return f.Rules
	}
	return append([]Rule{{Setting: StageFilter, Of: StageName, Entries: f.Stages}}, f.Rules...)
}

// Refusal is why a filter leaves something out.
type Refusal struct {
	Why Reason
	// Text names the setting, and the entries that decide.
	Text string
}

// Refuses says why a stage is not wanted; nil if it is, as far as is known: a stage without details may still have tags
// that are refused. An empty stage asks about the REST API alone.
func (f Filter) Refuses(api *gateway.RestAPI, stage string, details *gateway.Stage) *Refusal {
	return refusal(f.All(), Entry{API: api, Stage: stage, Details: details})
}

// LeavesOut says that a filter refuses an API, by a complete listing.
func (f Filter) LeavesOut(id ID, apis []*gateway.RestAPI, stages Stages) bool {
	at := slices.IndexFunc(apis, func(a *gateway.RestAPI) bool { return a.ID == id.RestAPI })
	if at < 0 {
		return false
	}
	var details *gateway.Stage
	for _, s := range stages[id.RestAPI] {
		if s.Name == id.Stage {
			details = s
		}
	}
	return f.Refuses(apis[at], id.Stage, details) != nil
}

func refusal(rules []Rule, e Entry) *Refusal {
	for _, r := range rules {
		if r.Of.OfStage() && e.Stage == "" || r.Of == StageTag && e.Details == nil {
			continue
		}
		at := slices.IndexFunc(r.Entries, func(entry string) bool { return r.Of.Matches(entry, e) })
		if at >= 0 == r.Exclude {
			return &Refusal{Why: reasons[r.Of], Text: r.text(at)}
		}
	}
	return nil
}

// reasons are those of the subjects.
var reasons = [...]Reason{APIName: APIFiltered, APITag: APITagFiltered, StageName: Filtered, StageTag: StageTagFiltered}

func (r Rule) text(at int) string {
	name := r.Setting
	if name == StageFilter {
		name = "the stage filter"
	}
	if r.Exclude {
		return name + " names " + r.Entries[at]
	}
	return name + " names only " + words.Few(r.Entries, words.Some, ", ")
}

// byStageTags says that a filter can decide only after a GetStages.
func byStageTags(rules []Rule) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.Of == StageTag })
}

// Decides says that all is known of an entry that the filter asks for.
func (f Filter) Decides(e Entry) bool { return e.Details != nil || !byStageTags(f.Rules) }

// exactStages are the names of the stages that a filter wants, if it names them.
func (f Filter) exactStages() (names []string, known bool) {
	names = f.Stages
	for _, r := range f.Rules {
		isExact := !slices.ContainsFunc(r.Entries, func(e string) bool { return strings.ContainsAny(e, "*?") })
		if r.Of == StageName && !r.Exclude && isExact {
			names = append(slices.Clone(names), r.Entries...)
		}
	}
	return names, len(names) > 0
}

// Matches says whether an entry of a rule about this subject is one for a REST API, or for a stage of it.
func (s Subject) Matches(entry string, e Entry) bool {
	switch s {
	case APIName:
		return Matches(entry, e.API.Name)
	case APITag:
		return anyMatches(entry, e.API.Tags)
	case StageName:
		return Matches(entry, e.Stage)
	default:
		return e.Details != nil && anyMatches(entry, e.Details.Tags)
	}
}

// anyMatches says that an entry is one for some tag. Its first equals sign ends the key.
func anyMatches(entry string, tags map[string]string) bool {
	key, value, valued := strings.Cut(entry, "=")
	for k, v := range tags {
		if Matches(key, k) && (!valued || Matches(value, v)) {
			return true
		}
	}
	return false
}

// Matches compares a text with a pattern in which * stands for any characters and ? for one. It goes back to the last * only, so that no pattern takes long.
func Matches(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	at, star, from := 0, -1, 0
	for i := 0; i < len(t); {
		switch {
		case at < len(p) && p[at] == '*':
			star, from = at, i
			at++
		case at < len(p) && (p[at] == '?' || p[at] == t[i]):
			at++
			i++
		case star >= 0:
			from++
			at, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(string(p[at:]), "*") == ""
}
