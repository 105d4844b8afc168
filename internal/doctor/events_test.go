package doctor_test

import (
	"slices"
	"testing"

	"federation-agent/internal/doctor"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
)

const (
	eventsRole  = "arn:aws:iam::100000000000:role/events"
	eventsQueue = "changes"
	eventsARN   = "arn:aws:sqs:eu-west-1:100000000000:" + eventsQueue
)

func TestTheQueueOfEventsIsTriedAndKeepsItsMessages(t *testing.T) {
	both := awssim.Strings{"sqs:ReceiveMessage", "sqs:DeleteMessage"}
	for name, c := range map[string]struct {
		actions  awssim.Strings
		resource string
		more     []string
		want     want
		calls    []int64 // to receive, to delete
	}{
		"all is good": {
			actions: both, want: want{verdict: doctor.Good, words: []string{eventsQueue, "can be received and deleted"}}, calls: []int64{1, 1},
		},
		"a role reads it": {
			actions: both, more: []string{"gravitee_agent_events_roleArn=" + eventsRole},
			want: want{verdict: doctor.Good}, calls: []int64{1, 1},
		},
		"nothing is granted": {
			want: want{verdict: doctor.Attention, words: []string{
				"receiving events in eu-west-1: access denied; deleting events in eu-west-1: access denied", "sqs:ReceiveMessage",
				"sqs:DeleteMessage", "agent.events.queueUrl is optional: federation-agent policy --of events prints what to grant",
			}}, calls: []int64{1, 1},
		},
		"another queue is granted": {
			actions: both, resource: eventsARN + "2",
			want: want{verdict: doctor.Attention, words: []string{
				"sqs:ReceiveMessage", "or the queue's name or region is wrong",
			}}, calls: []int64{1, 1},
		},
		"deleting is not granted": {
			actions: both[:1],
			want:    want{verdict: doctor.Attention, words: []string{"deleting events", "sqs:DeleteMessage"}}, calls: []int64{1, 1},
		},
		"receiving is not granted": {
			actions: both[1:],
			want:    want{verdict: doctor.Attention, words: []string{"receiving events", "sqs:ReceiveMessage"}}, calls: []int64{1, 1},
		},
		"there is no such queue": {
			actions: both, resource: "*", more: []string{"gravitee_agent_events_queueUrl=http://%AWS%/100000000000/other"},
			want:  want{verdict: doctor.Attention, words: []string{"not found", "check agent.events.queueUrl and agent.events.region"}},
			calls: []int64{1, 0},
		},
		"the role cannot be assumed": {
			actions: both, more: []string{"gravitee_agent_events_roleArn=" + eventsRole + "2"},
			want:  want{verdict: doctor.Attention, words: []string{"agent.events.roleArn", "agent.aws.externalId"}},
			calls: []int64{0, 0},
		},
		"no credentials": {
			actions: both, more: []string{provider0 + "configuration_accessKeyId=AKIAIOSFODNN7EXAMPLE"},
			want: want{verdict: doctor.NotTried, words: []string{"credentials must be ok first"}}, calls: []int64{0, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			account := &p.estate.Accounts[0]
			allowed, err := awssim.MinimumPolicy()
			if err != nil {
				t.Fatal(err)
			}
			if c.resource == "" {
				c.resource = eventsARN
			}
			if len(c.actions) > 0 {
				allowed.Statement = append(allowed.Statement, awssim.Statement{
					Effect: awssim.EffectAllow, Action: c.actions, Resource: awssim.Strings{c.resource},
				})
			}
			account.Principals[0].Policy = allowed
			account.Roles = append(account.Roles, awssim.Role{Name: "events", Policy: allowed})
			account.Regions[0].Queues = []string{eventsQueue}
			p.settings = append([]string{
				"gravitee_agent_apim_url=http://%APIM%/management", "gravitee_agent_apim_token=" + demo.DefaultToken,
				"gravitee_agent_apim_environmentId=DEFAULT", "gravitee_agent_events_region=eu-west-1",
				"gravitee_agent_events_queueUrl=http://%AWS%/100000000000/" + eventsQueue,
			}, c.more...)
			scope := awssim.Scope{Account: account.ID, Region: "eu-west-1"}
			p.examine = func(_ *doctor.Options, s *demo.Sandbox) {
				if err := s.AWS.Send(scope, eventsQueue, "an event"); err != nil {
					t.Fatal(err)
				}
			}
			results := p.results()
			c.want.check = "events"
			found := slices.IndexFunc(results, func(r doctor.Result) bool { return r.Check == "events" })
			if found < 0 {
				t.Fatalf("there is no row\n%s", table(t, results))
			}
			has(t, results[found:found+1], c.want)
			got := []int64{
				p.sandbox.AWS.CallCount(awssim.OpReceiveMessage), p.sandbox.AWS.CallCount(awssim.OpDeleteMessageBatch),
			}
			if !slices.Equal(got, c.calls) || p.sandbox.AWS.Waiting(scope, eventsQueue) != 1 {
				t.Errorf("%v calls, %d messages", got, p.sandbox.AWS.Waiting(scope, eventsQueue))
			}
		})
	}
}
