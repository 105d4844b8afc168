// Package drift compares what AWS has, what was sent, and what APIM has of an integration: which APIs an ingest would
// add or change, which AWS does not have any more, and which differ for another reason. It is pure.
package drift

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/survey"
)

// Kind says how an API differs between AWS and APIM. Its values are read by programs.
type Kind string

// The kinds. An API is of one at most.
const (
	// New: AWS has it, and it was never sent.
	New Kind = "new"
	// Changed: an ingest would change it.
	Changed Kind = "changed"
	// Missing: it was sent, and APIM does not have it (any more).
	Missing Kind = "missing"
	// Renamed: it is as it was sent but for its name or version, which somebody has changed in APIM.
	Renamed Kind = "renamed"
	// Gone: APIM has it, and AWS has deleted its REST API or stage.
	Gone Kind = "gone"
	// Omitted: APIM has it and AWS too, and an ingest would not send it.
	Omitted Kind = "omitted"
	// Foreign: the integration has it in APIM, and it is none of this agent's.
	Foreign Kind = "foreign"
)

// Kinds are all kinds, in the order in which they are shown.
func Kinds() []Kind { return []Kind{New, Changed, Missing, Renamed, Gone, Omitted, Foreign} }

// The reasons that are no one listing's.
const (
	unlisted      = "stages-not-listed"
	guarded       = "plan-guard"
	notConfigured = "not-configured"
	regionOff     = "region-off"
)

// Item is one API that differs.
type Item struct {
	// ID is ours, empty for a foreign API. APIMID is APIM's; of an API that APIM does not have, the one that it will have.
	ID     string `json:"id,omitempty"`
	APIMID string `json:"apimId"`
	// Name is the one in APIM; where APIM does not have the API, the one that it will have.
	Name string `json:"name"`
	// Why says what keeps an omitted API from being sent: a reason of federation or gateway, or one of the package's own.
	// Text says it, or how the API differs, in words.
	Why  string `json:"why,omitempty"`
	Text string `json:"text,omitempty"`
}

// Report is how AWS and APIM differ.
type Report struct {
	// InAPIM is how many APIs APIM has of the integration.
	InAPIM int
	// Items are the APIs that differ, by kind, each in the order of ids.
	Items map[Kind][]Item
	// Unlisted are the targets that could not be listed, each with the reason: of what APIM has of them, nothing is said.
	Unlisted []string
	// Doubt says why the report cannot be right; empty if nothing speaks against it. Nothing may be done on its word then.
	Doubt string
}

// Input is what a report is made of.
type Input struct {
	Found survey.Found
	// Sent are the plans with which each API was last sent.
	Sent map[string][]string
	Held Held
	// Changed are the APIs that an ingest would change.
	Changed map[federation.ID]bool
	// Omissions are what could not be made ready, as AWS answered when it was asked for it.
	Omissions map[federation.ID]gateway.Omission
}

// Of makes the report.
//
//	AWS            | an ingest sends it | APIM has it        | was sent | kind
//	---------------|--------------------|--------------------|----------|--------
//	has it         | yes                | no                 | no       | new
//	has it         | yes                | no                 | yes      | missing
//	has it         | yes                | yes, and it changed| any      | changed
//	has it         | yes                | under another name | any      | renamed
//	may have it    | no                 | yes                | any      | omitted
//	has deleted it | no                 | yes                | any      | gone
//	knows no such  |                    | yes                | no       | foreign
//	is not listed  |                    | any                | any      | none: nothing is known
func Of(in Input) Report {
	r := Report{InAPIM: len(in.Held.apis), Items: map[Kind][]Item{}}
	w := worldOf(in)
	r.Unlisted = w.unlisted
	ours, met := map[string]bool{}, false
	for _, id := range w.ids() {
		api, held := in.Held.find(id.String())
		item := Item{ID: id.String(), APIMID: in.Held.idOf(id.String()), Name: api.Name}
		ours[item.APIMID], met = true, met || held
		if kind := w.judge(id, api, held, &item); kind != "" {
			r.Items[kind] = append(r.Items[kind], item)
		}
	}
	for _, apim := range slices.Sorted(maps.Keys(in.Held.apis)) {
		if !ours[apim] && !w.blind {
			r.Items[Foreign] = append(r.Items[Foreign], Item{APIMID: apim, Name: in.Held.apis[apim].Name})
		}
	}
	if !met && len(in.Sent) > 0 && r.InAPIM > 0 {
		r.Doubt = fmt.Sprintf("APIM has %d APIs of this integration, and by their ids none of them is one of the %d that were "+
			"sent: check that agent.apim.environmentId is the id of the environment that the integration is in",
			r.InAPIM, len(in.Sent))
	}
	return r
}

// ToSend are the ids of the APIs that differ by what an ingest brings. A name that somebody has changed in APIM is not
// undone.
func (r Report) ToSend() []string {
	var ids []string
	for _, kind := range []Kind{New, Changed, Missing} {
		for _, item := range r.Items[kind] {
			ids = append(ids, item.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// Doubtful are stages that were sent, of which complete listings do not tell whether AWS still has them: no usage plan
// contains them any more, and their REST API is there. One GetStages of each REST API would tell.
func Doubtful(found survey.Found, sent map[string][]string) []federation.NamedEntry {
	w := worldOf(Input{Found: found, Sent: sent})
	var out []federation.NamedEntry
	for _, id := range w.ids() {
		if _, sends := w.sends[id]; !sends && w.isUnknown(id, w.listings[id.Target()]) {
			api := w.there[restAPI(id.Target(), id.RestAPI)]
			out = append(out, federation.NamedEntry{
				Target: id.Target(), Entry: federation.Entry{API: api, Stage: id.Stage}, Name: api.Name,
			})
		}
	}
	return out
}

// world is what a report is made of, for one look-up each.
type world struct {
	Input
	// sends are the APIs that listings give to an ingest.
	sends    map[federation.ID]federation.NamedEntry
	vanished map[federation.ID]bool               // of these: AWS has no such stage
	listings map[federation.Target]survey.Listing // that are complete
	there    map[federation.ID]*gateway.RestAPI   // by ids without a stage
	// omitted says why, by ids that have no stage where it concerns the whole REST API.
	omitted  map[federation.ID]federation.LeftOut
	unlisted []string
	// blind: of some target nothing is known at all, so APIs in APIM that nobody knows may be its own.
	blind bool
}

func worldOf(in Input) world {
	w := world{
		Input: in, sends: map[federation.ID]federation.NamedEntry{}, vanished: map[federation.ID]bool{},
		listings: map[federation.Target]survey.Listing{}, there: map[federation.ID]*gateway.RestAPI{},
		omitted: map[federation.ID]federation.LeftOut{},
	}
	for _, e := range in.Found.Whole {
		w.sends[e.ID()], w.vanished[e.ID()] = e, true
	}
	for _, e := range in.Found.APIs {
		delete(w.vanished, e.ID())
	}
	for _, l := range in.Found.Listings {
		if l.Complete {
			w.add(l)
		}
	}
	known := map[federation.Target]bool{}
	for text := range in.Sent {
		if id, err := federation.ParseID(text); err == nil {
			known[id.Target()] = true
		}
	}
	for _, l := range in.Found.Listings {
		if _, another := w.listings[l.Target]; another || l.Complete { // by another role of the same account
			continue
		}
		w.blind = w.blind || !known[l.Target]
		w.unlisted = append(w.unlisted, strings.TrimPrefix(l.Target.String(), ":")+": "+
			cmp.Or(l.Failure, "it could not be listed in time"))
	}
	return w
}

func (w *world) add(l survey.Listing) {
	if _, twice := w.listings[l.Target]; twice {
		return
	}
	w.listings[l.Target] = l
	for _, api := range l.APIs {
		w.there[restAPI(l.Target, api.ID)] = api
	}
	for _, o := range federation.LeftOuts(l.APIs, l.Plans, l.Asked, w.Found.Filter) {
		id := restAPI(l.Target, o.RestAPI)
		id.Stage = o.Stage
		w.omitted[id] = o
	}
}

// restAPI is the id of no API: it stands for a REST API with all of its stages.
func restAPI(t federation.Target, id string) federation.ID {
	return federation.ID{Account: t.Account, Region: t.Region, RestAPI: id}
}

// ids are all that may be ours: what listings show, also what they leave out, and what was sent.
func (w *world) ids() []federation.ID {
	all := map[federation.ID]bool{}
	for id := range w.sends {
		all[id] = true
	}
	for id := range w.omitted {
		if id.Stage != "" {
			all[id] = true
		}
	}
	for text := range w.Sent {
		if id, err := federation.ParseID(text); err == nil {
			all[id] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), federation.CompareIDs)
}

// judge gives the kind of one API, empty if there is nothing to say of it, and completes the item.
func (w *world) judge(id federation.ID, api API, held bool, item *Item) Kind {
	e, sends := w.sends[id]
	_, notReady := w.Omissions[id]
	switch {
	case !sends, w.vanished[id], w.Found.Unconfirmed[id], notReady:
		if !held {
			return ""
		}
		return w.unsent(id, sends, item)
	case !held:
		item.Name = e.Name
		if _, sent := w.Sent[item.ID]; sent {
			return Missing
		}
		return New
	case w.Changed[id]:
		return Changed
	}
	ours := federation.Summarize(e.Target, e.Entry, e.Name)
	if api.isCalled(ours) {
		return ""
	}
	item.Text = fmt.Sprintf("an ingest would call it %q, version %s", ours.Name, ours.Version)
	return Renamed
}

// unsent is for an API that APIM has and that an ingest would not send.
func (w *world) unsent(id federation.ID, listed bool, item *Item) Kind {
	l, complete := w.listings[id.Target()]
	kind := func(kind Kind, why, text string) Kind {
		item.Why, item.Text = why, text
		return kind
	}
	omission, notReady := w.Omissions[id]
	api := w.there[restAPI(id.Target(), id.RestAPI)]
	of := w.omitted[id]
	if of.Why == "" {
		of = w.omitted[restAPI(id.Target(), id.RestAPI)]
	}
	switch {
	case !complete && w.isConfigured(id.Target()):
		return ""
	case slices.Contains(w.Found.Off, id.Target()):
		return kind(Omitted, regionOff, "its region is off for the account")
	case !complete:
		return kind(Omitted, notConfigured, "its account and region are not configured any more")
	case api == nil:
		return kind(Gone, "", "AWS has no such REST API any more")
	case l.Unlisted[id.RestAPI] != "":
		return kind(Omitted, unlisted, "AWS does not list its stages: "+l.Unlisted[id.RestAPI])
	case w.vanished[id], w.isDeleted(id, l):
		return kind(Gone, "", "AWS has no such stage any more")
	case listed && w.Found.Unconfirmed[id]:
		return kind(Omitted, guarded, "AWS does not list all of the plans any more with which it was sent, and a second listing "+
			"has not confirmed that yet")
	case notReady:
		return kind(Omitted, string(omission.Reason), omission.Why)
	}
	if no := w.Found.Filter.Refuses(api, id.Stage, nil); no != nil {
		return kind(Omitted, string(no.Why), no.Text)
	}
	if w.isUnknown(id, l) {
		return kind(Omitted, string(federation.Planless), "no usage plan contains it any more, or its stage is deleted")
	}
	return kind(Omitted, string(cmp.Or(of.Why, federation.Planless)), cmp.Or(of.Text, "no usage plan contains it any more"))
}

// isDeleted says that AWS has said that it has no such stage.
func (w *world) isDeleted(id federation.ID, l survey.Listing) bool {
	stages, asked := l.Asked[id.RestAPI]
	return w.Omissions[id].Reason == gateway.NotFound.Reason() ||
		asked && !slices.ContainsFunc(stages, func(s *gateway.Stage) bool { return s.Name == id.Stage })
}

// isUnknown says that only a GetStages would tell whether AWS has a stage. Nobody needs to know where a filter leaves it
// out.
func (w *world) isUnknown(id federation.ID, l survey.Listing) bool {
	_, asked := l.Asked[id.RestAPI]
	_, answered := w.Omissions[id]
	api := w.there[restAPI(id.Target(), id.RestAPI)]
	return !asked && !answered && api != nil && l.Unlisted[id.RestAPI] == "" &&
		w.Found.Filter.Refuses(api, id.Stage, nil) == nil
}

// isConfigured says that a target is, or may be, one that is listed. The account of one that could not be asked for it
// is not known.
func (w *world) isConfigured(t federation.Target) bool {
	return slices.ContainsFunc(w.Found.Listings, func(l survey.Listing) bool {
		return l.Target == t || l.Account == "" && l.Region == t.Region
	})
}
