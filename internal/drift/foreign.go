package drift

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"federation-agent/internal/federation"
	"federation-agent/internal/survey"
	"federation-agent/internal/words"
)

// Other is an API that another agent made, as far as APIM tells of it.
type Other struct {
	Integration, APIMID, Name string
	// Metadata are by key. They and Plans are empty where APIM was not asked for them.
	Metadata map[string]string
	Plans    []OtherPlan
}

// OtherPlan is a plan of it, by APIM's id.
type OtherPlan struct{ ID, Name string }

// Verdict says how many of our APIs replace another agent's. Its values are read by programs.
type Verdict string

// The verdicts.
const (
	One     Verdict = "one"
	Several Verdict = "several"
	None    Verdict = "none"
)

// Evidence says what a verdict rests on, the strongest first. Its values are read by programs.
type Evidence string

// The kinds of evidence.
const (
	// ByID: APIM's id is the one that it computes for this REST API. It cannot be chance.
	ByID Evidence = "id"
	// ByMetadata: the other agent wrote the REST API's id into the API's metadata.
	ByMetadata Evidence = "metadata"
	// ByName: only the names are alike.
	ByName Evidence = "name"
)

// Match says which of our APIs replace another agent's API.
type Match struct {
	Verdict Verdict
	// By is empty where nothing fits.
	By   Evidence
	APIs []survey.API
	// Why says in words what the verdict rests on, or what is missing.
	Why string
}

// Ours are the APIs that an ingest would send, and what it would not.
type Ours struct {
	// Environment is the id of APIM's environment.
	Environment string
	APIs        []survey.API
	LeftOut     []survey.LeftOut
}

// Replacing finds what replaces another agent's API. The REST API is taken from the first evidence that there is; what
// the API's metadata, its plans and its name say of the stage, region and account chooses among several.
//
//	evidence of the REST API                          | ours of it                    | verdict
//	--------------------------------------------------|-------------------------------|--------
//	APIM's id is computed from it, or metadata name it | one, or one that the rest fits | one
//	the same                                          | more that the rest fits       | several
//	the same                                          | none, or of other stages      | none
//	metadata name one that is not ours                | any                           | none, whatever the names
//	only the name is alike                            | one, or one that the rest fits | one, by name
//	only the name is alike                            | more that the rest fits       | several
//	nothing                                           |                               | none
func (o Ours) Replacing(other Other) Match {
	told := o.read(other)
	m := o.find(other, told)
	if m.Verdict == None {
		return m
	}
	if told.stage != "" || told.region != "" || told.account != "" {
		m.APIs = slices.DeleteFunc(m.APIs, func(a survey.API) bool { return !told.fits(a) })
		if len(m.APIs) == 0 {
			m.Verdict = None
			m.Why += fmt.Sprintf(", but by its metadata it is %s, which is not among the APIs to federate", told.place())
			return m
		}
	}
	m.narrow("its plans are those of this one", func(a survey.API) bool { return len(other.planIDs(a)) > 0 })
	m.narrow("the name has its stage", func(a survey.API) bool { return saysStage(a, other.Name) })
	if m.Verdict = One; len(m.APIs) > 1 {
		m.Verdict = Several
		m.Why += fmt.Sprintf("; %d of the APIs to federate fit, and nothing tells which", len(m.APIs))
	}
	return m
}

// narrow keeps those that fit, if these are some and not all.
func (m *Match) narrow(why string, fits func(survey.API) bool) {
	kept := slices.DeleteFunc(slices.Clone(m.APIs), func(a survey.API) bool { return !fits(a) })
	if len(kept) > 0 && len(kept) < len(m.APIs) {
		m.APIs, m.Why = kept, m.Why+"; "+why
	}
}

// find goes by the REST API.
func (o Ours) find(other Other, told told) Match {
	computed := func(text string) bool {
		return federation.APIMID(o.Environment, other.Integration, text) == other.APIMID
	}
	if told.id() != "" && computed(told.id()) && !slices.ContainsFunc(o.APIs, func(a survey.API) bool {
		return a.ID == told.id()
	}) {
		return Match{Verdict: None, By: ByID, Why: "this agent made it, as " + told.id() +
			", which is not among the APIs to federate"}
	}
	for _, a := range o.APIs {
		if computed(a.ID) {
			return Match{Verdict: One, By: ByID, APIs: []survey.API{a}, Why: "APIM's id is computed from " + a.ID}
		}
	}
	all := map[string]bool{}
	for _, a := range o.APIs {
		all[a.RestAPI] = true
	}
	for _, l := range o.LeftOut {
		all[l.RestAPI] = true
	}
	for _, restAPI := range slices.Sorted(maps.Keys(all)) {
		if computed(restAPI) {
			return o.ofRESTAPI(restAPI, ByID, "APIM's id is computed from the REST API "+restAPI)
		}
	}
	if told.restAPI != "" {
		return o.ofRESTAPI(told.restAPI, ByMetadata, "its metadata name the REST API "+told.restAPI)
	}
	m := Match{Verdict: One, By: ByName, Why: "only the names are alike"}
	for _, a := range o.APIs {
		if alike(other.Name, a.AWSName) || alike(other.Name, a.Name) || saysStage(a, other.Name) {
			m.APIs = append(m.APIs, a)
		}
	}
	if len(m.APIs) == 0 {
		return Match{Verdict: None, Why: "neither its id nor its metadata name a REST API of ours, and none has its name"}
	}
	return m
}

func (o Ours) ofRESTAPI(id string, by Evidence, why string) Match {
	m := Match{Verdict: One, By: by, Why: why}
	for _, a := range o.APIs {
		if a.RestAPI == id {
			m.APIs = append(m.APIs, a)
		}
	}
	if len(m.APIs) > 0 {
		return m
	}
	m.Verdict = None
	m.Why += ", which no account and region has that is listed here"
	for _, l := range o.LeftOut {
		if l.RestAPI == id {
			m.Why = why + ", which is left out: " + l.Text
			break
		}
	}
	return m
}

// planIDs are the plans of ours that are certainly also plans of the other one, by APIM's id of the latter: the other
// agent gave them the id of the usage plan.
func (o Other) planIDs(a survey.API) map[string]string {
	found := map[string]string{}
	for _, theirs := range o.Plans {
		for _, ours := range a.Plans {
			if federation.APIMPlanID(o.APIMID, ours.ID) == theirs.ID {
				found[theirs.ID] = ours.ID
			}
		}
	}
	return found
}

// PlansIn gives for each plan of the other agent's API, by APIM's id, our plan's id in an API of ours: the one of the
// same usage plan where the ids tell, else the only one of the same name. Plans without one are not in it.
func (o Other) PlansIn(a survey.API) map[string]string {
	found := o.planIDs(a)
	for _, theirs := range o.Plans {
		var named []string
		for _, ours := range a.Plans {
			if alike(theirs.Name, ours.Name) {
				named = append(named, ours.ID)
			}
		}
		if found[theirs.ID] == "" && len(named) == 1 {
			found[theirs.ID] = named[0]
		}
	}
	return found
}

// alike compares letters and digits, in upper or lower case.
func alike(a, b string) bool { return bare(a) == bare(b) && (bare(a) != "" || a == b) }

// saysStage says that a name is AWS's with the stage behind it, as in "Orders (prod)" or "orders-prod".
func saysStage(a survey.API, name string) bool { return alike(name, a.AWSName+" "+a.Stage) }

func bare(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

// told is what metadata say of where an API is in AWS. What they contradict each other in is empty.
type told struct{ account, region, restAPI, stage string }

// id is ours, if everything is told.
func (t told) id() string {
	if t.account == "" || t.region == "" || t.restAPI == "" || t.stage == "" {
		return ""
	}
	return federation.ID{Account: t.account, Region: t.region, RestAPI: t.restAPI, Stage: t.stage}.String()
}

func (t told) fits(a survey.API) bool {
	return (t.stage == "" || t.stage == a.Stage) && (t.region == "" || t.region == a.Region) &&
		(t.account == "" || t.account == a.Account)
}

func (t told) place() string {
	var parts []string
	for _, part := range []struct{ what, is string }{
		{"stage", t.stage}, {"region", t.region}, {"account", t.account},
	} {
		if part.is != "" {
			parts = append(parts, "of the "+part.what+" "+words.Short(part.is))
		}
	}
	return strings.Join(parts, ", ")
}

var (
	// A private endpoint's name may have that of a VPC endpoint behind the id.
	invokeURL = regexp.MustCompile(`(?:^|[^\w-])([a-z0-9]+)(?:-vpce-\w+)?\.execute-api\.([a-z0-9-]+)` +
		`\.amazonaws\.com[.a-z]*(?::\d+)?(?:/([\w-]+))?`)
	resource  = regexp.MustCompile(`:apigateway:([a-z0-9-]+)::/restapis/([a-z0-9]+)(?:/stages/([\w-]+))?`)
	isRESTAPI = regexp.MustCompile(`^[a-z0-9]{10}$`)
	isRegion  = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d+$`)
	isAccount = regexp.MustCompile(`^\d{12}$`)
	isStage   = regexp.MustCompile(`^[\w-]{1,128}$`)
)

// read looks for what is known of AWS in metadata whose names nobody has documented: invoke URLs, ARNs, values that are
// REST API ids of ours, and keys that end with what they tell. Tags are not read, because users name those.
func (o Ours) read(other Other) told {
	found := map[*string]map[string]bool{}
	var t told
	note := func(to *string, value string) {
		if value == "" {
			return
		}
		if found[to] == nil {
			found[to] = map[string]bool{}
		}
		found[to][value] = true
	}
	for key, value := range other.Metadata {
		parts := strings.FieldsFunc(strings.ToLower(key), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
		if slices.Contains(parts, "tag") || slices.Contains(parts, "tags") {
			continue
		}
		value, joined := strings.TrimSpace(value), strings.Join(parts, "")
		ends := func(form *regexp.Regexp, suffixes ...string) bool {
			return form.MatchString(value) && slices.ContainsFunc(suffixes, func(suffix string) bool {
				return strings.HasSuffix(joined, suffix)
			})
		}
		for _, url := range invokeURL.FindAllStringSubmatch(value, -1) {
			note(&t.restAPI, url[1])
			note(&t.region, url[2])
			note(&t.stage, url[3])
		}
		for _, arn := range resource.FindAllStringSubmatch(value, -1) {
			note(&t.region, arn[1])
			note(&t.restAPI, arn[2])
			note(&t.stage, arn[3])
		}
		switch {
		case ends(isRESTAPI, "apiid", "restapi"), slices.ContainsFunc(o.APIs, func(a survey.API) bool { return a.RestAPI == value }):
			note(&t.restAPI, value)
		case ends(isStage, "stage", "stagename"):
			note(&t.stage, value)
		case ends(isRegion, "region"):
			note(&t.region, value)
		case ends(isAccount, "account", "accountid"):
			note(&t.account, value)
		}
	}
	for to, values := range found {
		if all := slices.Collect(maps.Keys(values)); len(all) == 1 {
			*to = all[0]
		}
	}
	return t
}
