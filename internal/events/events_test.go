package events

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// event is one of EventBridge, as CloudTrail's record of a call comes by it.
func event(name, request string) string {
	return fmt.Sprintf(`{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.apigateway",
		"account":"111122223333","time":"2026-11-27T05:00:00Z","region":"eu-west-1","resources":[],"detail":{
		"eventVersion":"1.09","userIdentity":{"type":"AssumedRole","accountId":"111122223333"},
		"eventSource":"apigateway.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1","requestParameters":%s,
		"responseElements":{"id":"d1"},"readOnly":false,"eventType":"AwsApiCall","recipientAccountId":"111122223333"}}`,
		name, request)
}

func wrapped(body string) string {
	text, _ := json.Marshal(map[string]string{
		"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:t", "Message": body,
	})
	return string(text)
}

const here = "111122223333 eu-west-1 "

func TestWhatAnEventSays(t *testing.T) {
	const api = `{"restApiId":"a1b2c3"}`
	many := `{"createUsagePlanInput":{"apiStages":[` + strings.Repeat(`{"apiId":"a1","stage":"s"},`, maxChanges) +
		`{"apiId":"a1","stage":"s"}]}}`
	for name, c := range map[string]struct{ body, want string }{
		"a deployment to a stage": {
			event("CreateDeployment", `{"restApiId":"a1b2c3","createDeploymentInput":{"stageName":"prod"}}`), here + "a1b2c3 prod",
		},
		"one that names it beside":      {event("CreateDeployment", `{"restApiId":"a1b2c3","stageName":"prod"}`), here + "a1b2c3 prod"},
		"one in another case":           {event("CreateDeployment", `{"RestApiId":"a1b2c3","StageName":"prod"}`), here + "a1b2c3 prod"},
		"one to no stage":               {event("CreateDeployment", api), here + "a1b2c3 "},
		"a stage":                       {event("UpdateStage", `{"restApiId":"a1b2c3","stageName":"dev","patchOperations":[]}`), here + "a1b2c3 dev"},
		"a new one":                     {event("CreateStage", `{"restApiId":"a1b2c3","createStageInput":{"stageName":"v1"}}`), here + "a1b2c3 v1"},
		"one that is deleted":           {event("DeleteStage", `{"restApiId":"a1b2c3","stageName":"dev"}`), here + "a1b2c3 dev"},
		"a REST API":                    {event("UpdateRestApi", api), here + "a1b2c3 "},
		"its definition":                {event("PutRestApi", api), here + "a1b2c3 "},
		"its end":                       {event("DeleteRestApi", api), here + "a1b2c3 "},
		"a new one, without a stage":    {event("CreateRestApi", `{"createRestApiInput":{"name":"x"}}`), "irrelevant"},
		"an HTTP API's stage":           {event("UpdateStage", `{"apiId":"a1b2c3","stageName":"$default"}`), "irrelevant"},
		"a method, not yet deployed":    {event("PutMethod", `{"restApiId":"a1b2c3","resourceId":"r"}`), "irrelevant"},
		"the agent's own key":           {event("CreateApiKey", `{"createApiKeyInput":{"name":"k"}}`), "irrelevant"},
		"the agent's own key in a plan": {event("CreateUsagePlanKey", `{"usagePlanId":"p"}`), "irrelevant"},
		"a usage plan's limits": {
			event("UpdateUsagePlan", `{"usagePlanId":"p","patchOperations":[{"op":"replace","path":"/throttle/rateLimit","value":"5"}]}`),
			here + " ",
		},
		"a usage plan's stages": {
			event("UpdateUsagePlan", `{"usagePlanId":"p","patchOperations":[{"op":"add","path":"/apiStages","value":"a1:prod"},`+
				`{"op":"remove","path":"/apiStages","value":"b2:dev"}]}`), here + "a1 prod, " + here + "b2 dev",
		},
		"those within a body": {
			event("UpdateUsagePlan", `{"usagePlanId":"p","updateUsagePlanInput":{"patchOperations":[{"op":"add","path":"/apiStages",`+
				`"value":"a1:prod"}]}}`), here + "a1 prod",
		},
		"a usage plan's stages and its name": {
			event("UpdateUsagePlan", `{"usagePlanId":"p","patchOperations":[{"op":"add","path":"/apiStages","value":"a1:prod"},`+
				`{"op":"replace","path":"/name","value":"x"}]}`), here + " ",
		},
		"a new usage plan": {
			event("CreateUsagePlan", `{"createUsagePlanInput":{"apiStages":[{"apiId":"a1","stage":"prod"}]}}`), here + "a1 prod",
		},
		"one without stages":          {event("CreateUsagePlan", `{"createUsagePlanInput":{"name":"x"}}`), "irrelevant"},
		"one with very many":          {event("CreateUsagePlan", many), here + " "},
		"one whose stages are no ids": {event("CreateUsagePlan", `{"apiStages":[7,{"apiId":"../x","stage":"p"}]}`), here + " "},
		"the end of one":              {event("DeleteUsagePlan", `{"usagePlanId":"p"}`), here + " "},
		"a REST API's tags": {
			event("TagResource", `{"resourceArn":"arn:aws:apigateway:eu-west-1::/restapis/a1b2c3","tags":{}}`), here + "a1b2c3 ",
		},
		"a stage's tags": {
			event("UntagResource", `{"resourceArn":"arn%3Aaws%3Aapigateway%3Aeu-west-1%3A%3A%2Frestapis%2Fa1b2c3%2Fstages%2Fprod"}`),
			here + "a1b2c3 prod",
		},
		"a usage plan's tags": {event("TagResource", `{"resourceArn":"arn:aws:apigateway:eu-west-1::/usageplans/p"}`), "irrelevant"},
		"a call that failed": {
			strings.Replace(event("UpdateStage", `{"restApiId":"a1","stageName":"s"}`), `"readOnly"`, `"errorCode":"AccessDenied","readOnly"`, 1),
			"irrelevant",
		},
		"a call that reads":   {strings.Replace(event("UpdateStage", api), `"readOnly":false`, `"readOnly":true`, 1), "irrelevant"},
		"another service's":   {strings.Replace(event("UpdateStage", api), "aws.apigateway", "aws.lambda", 1), "irrelevant"},
		"another kind":        {strings.Replace(event("UpdateStage", api), "AWS API Call via CloudTrail", "x", 1), "irrelevant"},
		"by SNS":              {wrapped(event("UpdateRestApi", api)), here + "a1b2c3 "},
		"by SNS twice":        {wrapped(wrapped(event("UpdateRestApi", api))), here + "a1b2c3 "},
		"by SNS thrice":       {wrapped(wrapped(wrapped(event("UpdateRestApi", api)))), "unreadable"},
		"nothing":             {"", "unreadable"},
		"no JSON":             {"hello", "unreadable"},
		"no object":           {"[1]", "unreadable"},
		"no event":            {"{}", "unreadable"},
		"of other types":      {`{"source":7}`, "unreadable"},
		"half of one":         {event("UpdateRestApi", api)[:200], "unreadable"},
		"without a detail":    {`{"source":"aws.apigateway","detail-type":"AWS API Call via CloudTrail"}`, "unreadable"},
		"without an API":      {event("UpdateStage", `{"stageName":"prod"}`), "unreadable"},
		"without a request":   {event("UpdateStage", `null`), "unreadable"},
		"an id with a path":   {event("UpdateStage", `{"restApiId":"../../x","stageName":"prod"}`), "unreadable"},
		"an id with colons":   {event("UpdateStage", `{"restApiId":"a:b","stageName":"prod"}`), "unreadable"},
		"a stage of all":      {event("UpdateStage", `{"restApiId":"a1","stageName":"*"}`), "unreadable"},
		"an account of words": {strings.ReplaceAll(event("UpdateStage", api), "111122223333", "me"), "unreadable"},
		"a region of none":    {strings.ReplaceAll(event("UpdateStage", api), "eu-west-1", "evil.example"), "unreadable"},
		"very long":           {event("UpdateRestApi", `{"restApiId":"a1b2c3","x":"`+strings.Repeat("x", maxBytes)+`"}`), "unreadable"},
		"very deep":           {event("UpdateRestApi", strings.Repeat("[", 100_000)), "unreadable"},
		"a forwarded event of another account": {
			strings.Replace(event("UpdateRestApi", api), `"accountId":"111122223333"`, `"accountId":"999999999999"`, 1), here + "a1b2c3 ",
		},
		"an account that only its maker names": {
			strings.Replace(strings.Replace(event("UpdateRestApi", api), `"account":"111122223333"`, `"account":""`, 1),
				`"recipientAccountId":"111122223333"`, `"x":1`, 1), here + "a1b2c3 ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			changes, kind := Parse(c.body)
			got := []string{}
			for _, c := range changes {
				got = append(got, strings.Join([]string{c.Account, c.Region, c.RestAPI, c.Stage}, " "))
			}
			switch kind {
			case Unreadable:
				got = append(got, "unreadable")
			case Irrelevant:
				got = append(got, "irrelevant")
			case Relevant:
			}
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("%q, want %q", text, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(event("UpdateStage", `{"restApiId":"a1","stageName":"prod"}`))
	f.Add(wrapped(event("UpdateUsagePlan", `{"patchOperations":[{"path":"/apiStages","value":"a1:prod"}]}`)))
	f.Add(event("TagResource", `{"resourceArn":"arn:aws:apigateway:eu-west-1::/restapis/a1"}`))
	f.Fuzz(func(t *testing.T, body string) {
		changes, kind := Parse(body)
		if (kind == Relevant) != (len(changes) > 0) || len(changes) > maxChanges {
			t.Errorf("%d changes of kind %d", len(changes), kind)
		}
		if slices.ContainsFunc(changes, func(c Change) bool {
			return !isAccount(c.Account) || !isRegion(c.Region) || c.RestAPI == "" && c.Stage != "" || strings.ContainsAny(c.RestAPI+c.Stage, ":*/")
		}) {
			t.Errorf("%+v", changes)
		}
	})
}
