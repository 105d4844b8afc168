package iam

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/iam"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

const (
	restToken = "a-rest-token-that-must-never-be-logged"
	changes   = "changes"
	account   = "100000000000"
)

// ofEvents are the operations that agent.events needs.
func ofEvents() []string { return []string{awssim.OpDeleteMessageBatch, awssim.OpReceiveMessage} }

// listens is what the agent of a partition needs whose queue is in the place that it reads.
func listens(partition string) iam.Needs {
	n := alone(partition)
	n.Events = iam.Queue{Use: iam.Use{Identity: "me"}, Region: places[partition], Account: account, Name: changes}
	return n
}

// hears runs an agent with a queue and one event in it, and says what was tried of SQS, what was refused, and what came
// of the event.
func hears(t *testing.T, aws awssim.Options, partition string, settings map[string]string,
	judge func(tried, refused []string, ingested bool, w *world.World),
) {
	t.Helper()
	region := places[partition]
	suffix := map[string]string{"aws-cn": ".cn"}[partition]
	aws.Estate.Accounts[0].Regions[0].Queues = []string{changes, changes + "2"}
	set := map[string]string{
		provider + "region": region, "gravitee_agent_apim_url": "http://apim.test:80/management",
		"gravitee_agent_apim_token": restToken, "gravitee_agent_apim_environmentId": "DEFAULT",
		"gravitee_agent_events_queueUrl": "https://sqs." + region + ".amazonaws.com" + suffix + "/" + account + "/" + changes,
	}
	maps.Copy(set, settings)
	o := world.Options{AWS: aws, Settings: outside(set)}
	o.APIM.Accounts = map[string]apimsim.Account{world.Token: {}, restToken: {Owns: []string{world.Integration}}}
	world.Run(t, o, func(t *testing.T, w *world.World) {
		everything(t, w)
		scope := awssim.Scope{Account: account, Region: region}
		api := aws.Estate.Accounts[0].Regions[0].RestAPIs[0]
		if _, err := w.AWS.Redeploy(scope, api.ID, api.Stages[0].Name); err != nil {
			t.Fatal(err)
		}
		w.AWS.ResetCalls()
		before := len(w.APIM.Jobs())
		body := fmt.Sprintf(`{"source":"aws.apigateway","detail-type":"AWS API Call via CloudTrail","account":%q,"region":%q,"detail":{`+
			`"eventName":"CreateDeployment","requestParameters":{"restApiId":%q,"stageName":%q}}}`,
			account, region, api.ID, api.Stages[0].Name)
		if err := w.AWS.Send(scope, changes, body); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		var tried, refused []string
		for _, c := range w.AWS.Counts() {
			if slices.Contains(ofEvents(), c.Operation) {
				tried = append(tried, c.Operation)
			}
			if c.Status == 403 {
				refused = append(refused, c.Operation)
			}
		}
		slices.Sort(tried)
		judge(slices.Compact(tried), refused, len(w.APIM.Jobs()) > before, w)
	})
}

// together is all that an identity is granted, as one policy.
func together(t *testing.T, n iam.Needs, kinds ...iam.Kind) *awssim.Policy {
	t.Helper()
	p := &awssim.Policy{Version: "2012-10-17"}
	for _, kind := range kinds {
		p.Statement = append(p.Statement, generated(t, n, kind).Statement...)
	}
	return p
}

func TestTheOptionalGrantAllowesEachCallToTheQueueOfEventsInEachPartition(t *testing.T) {
	for partition := range places {
		t.Run(partition, func(t *testing.T) {
			n := listens(partition)
			aws := inPlace(partition, together(t, n, iam.Permissions, iam.ReadEvents))
			hears(t, aws, partition, nil, func(tried, refused []string, ingested bool, w *world.World) {
				if !slices.Equal(tried, ofEvents()) || len(refused) > 0 || !ingested {
					t.Errorf("tried %v, refused %v, ingested %v\n%s", tried, refused, ingested, w.Log)
				}
			})
			// No other queue, and nothing else of this one.
			p := generated(t, n, iam.ReadEvents)
			arn := "arn:" + partition + ":sqs:" + places[partition] + ":" + account + ":" + changes
			for _, beyond := range [][2]string{
				{"sqs:ReceiveMessage", arn + "2"}, {"sqs:SendMessage", arn}, {"sqs:PurgeQueue", arn}, {"sqs:GetQueueAttributes", arn},
			} {
				if p.Evaluate(beyond[0], beyond[1]) == awssim.Allowed || p.Evaluate("sqs:DeleteMessage", arn) != awssim.Allowed {
					t.Errorf("allowed, too: %v", beyond)
				}
			}
		})
	}
}

// A role of its own reads the queue: the identity may assume it, and has nothing of the queue itself.
func TestTheGeneratedPoliciesOfARoleServeTheQueueOfEvents(t *testing.T) {
	for sent, want := range map[string]bool{externalID: true, "another-one": false} {
		t.Run(sent, func(t *testing.T) {
			role := awssim.RoleARN(inPlace("aws", nil).Estate.Accounts[0], "events")
			n := listens("aws")
			n.Events.Role, n.Events.ExternalID = role, externalID
			trust := granted(t, n, iam.Trust).Statement[0]
			aws := inPlace("aws", together(t, n, iam.Permissions, iam.AssumeRole), awssim.Role{
				Name: "events", ExternalID: trust.Condition["StringEquals"]["sts:ExternalId"],
				Policy: generated(t, n, iam.ReadEvents),
			})
			settings := map[string]string{"gravitee_agent_events_roleArn": role, "gravitee_agent_aws_externalId": sent}
			hears(t, aws, "aws", settings, func(tried, _ []string, ingested bool, w *world.World) {
				if ingested != want || (len(tried) > 0) != want {
					t.Errorf("tried %v, ingested %v\n%s", tried, ingested, w.Log)
				}
				if !want && !w.Log.Has("events cannot be received", "agent.events.roleArn", "agent.aws.externalId") {
					t.Errorf("the log does not say what to do\n%s", w.Log)
				}
			})
		})
	}
}

// Without the grant, or without a part of it, nothing but the events is missing, and the log names what is.
func TestEachActionOfTheOptionalGrantForTheQueueIsNeeded(t *testing.T) {
	for missing, c := range map[string]struct {
		less     awssim.Strings
		ingested bool
	}{
		"sqs:ReceiveMessage": {awssim.Strings{"sqs:DeleteMessage"}, false},
		"sqs:DeleteMessage":  {awssim.Strings{"sqs:ReceiveMessage"}, true},
	} {
		t.Run(missing, func(t *testing.T) {
			p := together(t, listens("aws"), iam.Permissions, iam.ReadEvents)
			p.Statement[len(p.Statement)-1].Action = c.less
			hears(t, inPlace("aws", p), "aws", nil, func(_, refused []string, ingested bool, w *world.World) {
				others := slices.DeleteFunc(slices.Clone(refused), func(o string) bool { return slices.Contains(ofEvents(), o) })
				if len(refused) == 0 || len(others) > 0 || ingested != c.ingested || !w.Log.Has("level=ERROR", missing) {
					t.Errorf("refused %v, ingested %v\n%s", refused, ingested, w.Log)
				}
			})
		})
	}
}

// The template grants what the program prints, on its own queue.
func TestTheTemplateOfTheQueueGrantsWhatThePolicyDoes(t *testing.T) {
	want := generated(t, listens("aws"), iam.ReadEvents).Statement[0]
	want.Resource = awssim.Strings{"Queue.Arn"}
	got := policy(t, "cloudformation/GraviteeFederationEvents.yml", "sqs").Statement
	shown, _ := json.Marshal(got)
	wanted, _ := json.Marshal([]awssim.Statement{want})
	if string(shown) != string(wanted) {
		t.Errorf("the template has %s, want %s", shown, wanted)
	}
	if strings.Contains(string(shown), "*") {
		t.Errorf("%s", shown)
	}
}
