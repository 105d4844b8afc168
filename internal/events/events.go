// Package events reads what EventBridge says of changes in AWS API Gateway: CloudTrail's record of a call, as a queue
// hands it out. Whoever may send to the queue may have written it, so nothing of it is trusted but as a hint to look.
package events

import (
	"encoding/json"
	"strings"
)

// Change is what an event says. Stage may be empty: any of the REST API's. RestAPI may be empty, too: then what has
// changed may concern every API of the account and region, as a usage plan does.
type Change struct{ Account, Region, RestAPI, Stage string }

// Kind is what a message turned out to be.
type Kind int

const (
	// Unreadable is no event of EventBridge, or one that lacks what it needs.
	Unreadable Kind = iota
	// Irrelevant is an event after which nothing of a REST API is otherwise for its readers.
	Irrelevant
	// Relevant names what has changed.
	Relevant
)

// maxBytes is more than EventBridge's largest event, 256 KB. What is longer is not parsed.
const maxBytes = 512 << 10

// maxWraps is how often one message may be within another: an event in SNS's envelope, and that in a queue's.
const maxWraps = 2

// maxChanges is how many changes one event may name: a usage plan's stages. Beyond that it is one of everything.
const maxChanges = 200

const (
	source     = "aws.apigateway"
	detailType = "AWS API Call via CloudTrail"
)

// envelope is EventBridge's, or SNS's around it: both are JSON objects, and share no member.
type envelope struct {
	// Of SNS, where "raw message delivery" is off.
	Type, Message string

	Source     string          `json:"source"`
	DetailType string          `json:"detail-type"`
	Account    string          `json:"account"`
	Region     string          `json:"region"`
	Detail     json.RawMessage `json:"detail"`
}

// detail is CloudTrail's record. The names of its members are those of the SDK's requests, in lower camel case; what is
// sent as a body may stand in an object of its own, such as createDeploymentInput.
type detail struct {
	EventName          string         `json:"eventName"`
	AWSRegion          string         `json:"awsRegion"`
	RecipientAccountID string         `json:"recipientAccountId"`
	ErrorCode          string         `json:"errorCode"`
	ReadOnly           bool           `json:"readOnly"`
	RequestParameters  map[string]any `json:"requestParameters"`
	UserIdentity       struct {
		AccountID string `json:"accountId"`
	} `json:"userIdentity"`
}

// Parse reads a message of a queue.
func Parse(body string) ([]Change, Kind) {
	var e envelope
	for wraps := 0; ; wraps++ {
		e = envelope{}
		if len(body) > maxBytes || json.Unmarshal([]byte(body), &e) != nil {
			return nil, Unreadable
		}
		if e.Message == "" || e.Source != "" || wraps == maxWraps {
			break
		}
		body = e.Message
	}
	var d detail
	switch {
	case e.Source == "":
		return nil, Unreadable
	case e.Source != source || e.DetailType != detailType:
		return nil, Irrelevant
	case json.Unmarshal(e.Detail, &d) != nil || d.EventName == "":
		return nil, Unreadable
	}
	where := Change{
		// The account in which the call was made, which forwarded events keep, before who made it.
		Account: first(isAccount, d.RecipientAccountID, e.Account, d.UserIdentity.AccountID),
		Region:  first(isRegion, d.AWSRegion, e.Region),
	}
	if where.Account == "" || where.Region == "" {
		return nil, Unreadable
	}
	if d.ErrorCode != "" || d.ReadOnly {
		return nil, Irrelevant
	}
	return d.changes(where)
}

// changes says what a call that was made has changed.
func (d detail) changes(where Change) ([]Change, Kind) {
	one := func(api, stage string) ([]Change, Kind) {
		if !isID(api) || stage != "" && !isStage(stage) {
			return nil, Unreadable
		}
		where.RestAPI, where.Stage = api, stage
		return []Change{where}, Relevant
	}
	switch name := d.EventName; {
	case name == "TagResource", name == "UntagResource":
		return d.tagged(where)
	case strings.HasSuffix(name, "UsagePlanKey"), strings.HasSuffix(name, "ApiKey"):
		return nil, Irrelevant // the agent's own, mostly
	case strings.HasSuffix(name, "UsagePlan"):
		return d.planned(where)
	case strings.HasSuffix(name, "Deployment"), strings.HasSuffix(name, "Stage"), strings.HasSuffix(name, "RestApi"):
		api := d.text("restApiId")
		if api == "" && d.text("apiId") != "" {
			return nil, Irrelevant // an HTTP or WebSocket API: API Gateway's second API has the same names
		}
		if name == "CreateRestApi" || name == "ImportRestApi" {
			return nil, Irrelevant // it has no stage yet
		}
		return one(api, d.text("stageName"))
	}
	return nil, Irrelevant // it reaches callers only by a deployment
}

// planned reads which stages a usage plan gets or loses. Where the call does not say that, as one that changes a limit,
// every API may be the plan's.
func (d detail) planned(where Change) ([]Change, Kind) {
	var changes []Change
	all := d.EventName != "CreateUsagePlan" // which has no stages but those that it names
	add := func(api, stage string) {
		if isID(api) && isStage(stage) {
			changes = append(changes, Change{where.Account, where.Region, api, stage})
		} else {
			all = true
		}
	}
	for _, of := range d.parts() {
		for _, s := range objects(of["apiStages"]) {
			add(text(s["apiId"]), text(s["stage"]))
		}
	}
	operations := 0
	for _, of := range d.parts() {
		for _, o := range objects(of["patchOperations"]) {
			if text(o["path"]) == "/apiStages" {
				operations++
				api, stage, _ := strings.Cut(text(o["value"]), ":")
				add(api, stage)
			} else {
				operations = -maxChanges // it changes the plan itself
			}
		}
	}
	if operations > 0 && len(changes) == operations {
		all = false
	}
	switch {
	case all || len(changes) > maxChanges:
		return []Change{where}, Relevant
	case len(changes) == 0:
		return nil, Irrelevant
	}
	return changes, Relevant
}

// tagged reads the ARN of what got or lost tags: arn:aws:apigateway:eu-west-1::/restapis/a1b2c3/stages/prod, or without
// the stage.
func (d detail) tagged(where Change) ([]Change, Kind) {
	arn := d.text("resourceArn")
	if arn == "" {
		return nil, Unreadable
	}
	_, path, _ := strings.Cut(strings.NewReplacer("%3A", ":", "%2F", "/").Replace(arn), "::/restapis/")
	api, stage, staged := strings.Cut(path, "/stages/")
	if !isID(api) || staged && !isStage(stage) {
		return nil, Irrelevant // a usage plan's, a key's, a domain name's
	}
	where.RestAPI, where.Stage = api, stage
	return []Change{where}, Relevant
}

// parts are the request and the bodies in it.
func (d detail) parts() []map[string]any {
	parts := []map[string]any{d.RequestParameters}
	for name, value := range d.RequestParameters {
		if body, is := value.(map[string]any); is && strings.HasSuffix(strings.ToLower(name), "input") {
			parts = append(parts, body)
		}
	}
	return parts
}

// text is a member of the request, or of a body in it. Names are compared without regard to case.
func (d detail) text(name string) string {
	for _, part := range d.parts() {
		for key, value := range part {
			if strings.EqualFold(key, name) {
				if s, is := value.(string); is {
					return s
				}
			}
		}
	}
	return ""
}

func text(value any) string {
	s, _ := value.(string)
	return s
}

func objects(value any) (list []map[string]any) {
	all, _ := value.([]any)
	for _, one := range all {
		o, _ := one.(map[string]any) // what is none has no members
		list = append(list, o)
	}
	return list
}

func first(fits func(string) bool, texts ...string) string {
	for _, t := range texts {
		if fits(t) {
			return t
		}
	}
	return ""
}

// The forms are checked by hand: patterns would cost memory in agents without a queue, too.

func isAccount(s string) bool { return len(s) == 12 && made(s, digits) }

func isRegion(s string) bool {
	return len(s) <= 32 && strings.Count(s, "-") >= 2 && made(s, letters+digits+"-") && made(s[len(s)-1:], digits)
}

func isID(s string) bool { return s != "" && len(s) <= 32 && made(s, letters+digits) }

func isStage(s string) bool {
	return s != "" && len(s) <= 128 && made(strings.ToLower(s), letters+digits+"_-")
}

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	digits  = "0123456789"
)

func made(s, of string) bool { return strings.Trim(s, of) == "" }
