package acceptance

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/status"
	"federation-agent/test/world"
)

const eventsQueue = "changes"

// listening is a world with a queue of events, which the agent may read, and without a schedule.
func listening(t *testing.T, aws awssim.Options, more ...string) world.Options {
	t.Helper()
	allowed, err := awssim.MinimumPolicy()
	must(t, err)
	account := &aws.Estate.Accounts[0]
	allowed.Statement = append(allowed.Statement, awssim.Statement{
		Effect: awssim.EffectAllow, Action: awssim.Strings{"sqs:ReceiveMessage", "sqs:DeleteMessage"},
		Resource: awssim.Strings{"arn:aws:sqs:eu-west-1:" + account.ID + ":" + eventsQueue},
	})
	account.Principals[0].Policy = allowed
	account.Regions[0].Queues = []string{eventsQueue}
	return withREST(world.Options{AWS: aws}, append([]string{
		"events_queueUrl", "https://sqs.eu-west-1.amazonaws.com/" + account.ID + "/" + eventsQueue,
	}, more...)...)
}

// happened has CloudTrail and EventBridge tell of a call.
func happened(w *world.World, name, request string) {
	w.T.Helper()
	scope := uniform()
	body := fmt.Sprintf(`{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.apigateway",`+
		`"account":%[1]q,"time":"2026-11-27T07:00:00Z","region":%[2]q,"resources":[],"detail":{"eventVersion":"1.09",`+
		`"eventSource":"apigateway.amazonaws.com","eventName":%[3]q,"awsRegion":%[2]q,"requestParameters":%[4]s,`+
		`"responseElements":null,"readOnly":false,"eventType":"AwsApiCall","managementEvent":true,`+
		`"recipientAccountId":%[1]q,"eventCategory":"Management"}}`, scope.Account, scope.Region, name, request)
	if err := w.AWS.Send(scope, eventsQueue, body); err != nil {
		w.T.Fatal(err)
	}
}

// ofQueue takes the calls to the queue out of some.
func ofQueue(all map[string]int64) (received, deleted int64) {
	received, deleted = all[awssim.OpReceiveMessage], all[awssim.OpDeleteMessageBatch]
	delete(all, awssim.OpReceiveMessage)
	delete(all, awssim.OpDeleteMessageBatch)
	return received, deleted
}

func TestAnEventIngestsTheAPIThatItNamesAndNothingElse(t *testing.T) {
	run(t, listening(t, oneRegion(20, 1, 2)), func(t *testing.T, w *world.World) {
		agent := settled(w)
		succeed(w)
		pass(10 * time.Second)
		all := w.APIM.APIs()
		rest := 0
		requests(w, &rest)
		counts(w)
		// after has something happen, and says what a minute later is sent and was asked. A look into an empty queue takes 20 s;
		// one that is on its way ends with the event.
		after := func(what string, happen func(), deleted int64, aws map[string]int64, asked map[string]int, ids ...string) {
			t.Helper()
			before := writes(w)
			happen()
			pass(time.Minute)
			slices.Sort(ids)
			if got := written(w, before); !slices.Equal(got, ids) {
				t.Errorf("%s: %v were sent, want %v", what, got, ids)
			}
			got := counts(w)
			if looks, gone := ofQueue(got); gone != deleted || looks < 3 || looks > 4 {
				t.Errorf("%s: the queue was asked %d times, and %d times to delete, want %d", what, looks, gone, deleted)
			}
			if !sameCounts(got, aws) {
				t.Errorf("%s: AWS was asked %v, want %v", what, got, aws)
			}
			if got := requests(w, &rest); !sameCounts(got, asked) {
				t.Errorf("%s: APIM was asked %v, want %v", what, got, asked)
			}
			if n := w.AWS.Waiting(uniform(), eventsQueue); n != 0 {
				t.Errorf("%s: %d events are left", what, n)
			}
		}
		redeploy := func(n int) (restAPI, stage string) {
			t.Helper()
			scope, restAPI, stage := partOf(all[n].ProviderID)
			_, err := w.AWS.Redeploy(scope, restAPI, stage)
			must(t, err)
			return restAPI, stage
		}
		none, nobody := map[string]int64{}, map[string]int{}
		after("nothing", func() {}, 0, none, nobody)
		after("what is of no use", func() {
			happened(w, "CreateApiKey", `{"createApiKeyInput":{"name":"x"}}`)
			happened(w, "PutMethod", `{"restApiId":"a000000003","resourceId":"r","httpMethod":"GET"}`)
			must(t, w.AWS.Send(uniform(), eventsQueue, "rubbish", "{}", `{"source":"aws.apigateway"}`))
		}, 1, none, nobody)

		_, _ = redeploy(3) // and nothing tells of it
		listed := map[string]int64{awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1}
		with := func(stages, exports int64) map[string]int64 {
			got := map[string]int64{awssim.OpGetStages: stages, awssim.OpGetExport: exports}
			maps.Copy(got, listed)
			return got
		}
		after("a deployment", func() {
			restAPI, stage := redeploy(7)
			happened(w, "CreateDeployment", fmt.Sprintf(`{"restApiId":%q,"createDeploymentInput":{"stageName":%q}}`, restAPI, stage))
		}, 1, with(2, 1), map[string]int{opIntegration: 2, opList: 1, opIngest: 1}, all[7].ProviderID)

		after("an API that is as it was", func() {
			_, restAPI, _ := partOf(all[8].ProviderID)
			happened(w, "UpdateRestApi", fmt.Sprintf(`{"restApiId":%q,"patchOperations":[]}`, restAPI))
		}, 1, map[string]int64{awssim.OpGetRestAPIs: 1, awssim.OpGetUsagePlans: 1, awssim.OpGetStages: 1}, map[string]int{opIntegration: 1})

		after("a usage plan, which names none", func() {
			happened(w, "UpdateUsagePlan",
				`{"usagePlanId":"p","patchOperations":[{"op":"replace","path":"/throttle/rateLimit","value":"5"}]}`)
		}, 1, with(21, 1), map[string]int{opIntegration: 2, opList: 2, opIngest: 1}, all[3].ProviderID)

		events := agent.Board.Read().Integrations[0].Events
		if events.Failure != "" || events.Results[status.EventTaken] != 3 || events.Results[status.EventIrrelevant] != 3 ||
			events.Results[status.EventUnreadable] != 2 {
			t.Errorf("%+v", events)
		}
		healthy(t, w)
	})
}

// An agent that ends before it has deleted an event leaves it to the next one.
func TestAnEventSurvivesTheEndOfTheProcessThatHasReceivedIt(t *testing.T) {
	run(t, listening(t, oneRegion(3, 1, 1)), func(t *testing.T, w *world.World) {
		agent := w.Connected()
		succeed(w)
		before := writes(w)
		api := w.APIM.APIs()[1].ProviderID
		scope, restAPI, stage := partOf(api)
		w.AWS.Script().Add(awssim.Rule{
			Operation: awssim.OpDeleteMessageBatch, Times: 1, Fault: awssim.Fault{Kind: awssim.FaultHang},
		})
		_, err := w.AWS.Redeploy(scope, restAPI, stage)
		must(t, err)
		happened(w, "UpdateStage", fmt.Sprintf(`{"restApiId":%q,"stageName":%q}`, restAPI, stage))
		pass(5 * time.Second)
		agent.Crash()
		if n := w.AWS.Waiting(uniform(), eventsQueue); n != 1 || len(written(w, before)) > 0 {
			t.Fatalf("%d events; %v were sent", n, written(w, before))
		}
		w.Connected()
		pass(2 * time.Minute)
		if got := written(w, before); !slices.Equal(got, []string{api}) || w.AWS.Waiting(uniform(), eventsQueue) != 0 {
			t.Errorf("%v were sent, want %s", got, api)
		}
		healthy(t, w)
	})
}

// A queue that is away, or a grant that is missing, keeps nothing else back, and shows until it is there.
func TestWithoutItsQueueTheAgentDoesAllElse(t *testing.T) {
	for name, fault := range map[string]awssim.Fault{
		"no grant": awssim.Answer(403, "AccessDenied", "User: me is not authorized to perform: sqs:receivemessage on resource: q"),
		"no queue": awssim.Answer(400, awssim.CodeNoSuchQueue, "The specified queue does not exist."),
		"no SQS":   awssim.Of(awssim.FaultCloseBefore),
	} {
		t.Run(name, func(t *testing.T) {
			run(t, listening(t, oneRegion(3, 1, 1)), func(t *testing.T, w *world.World) {
				w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpReceiveMessage, Fault: fault})
				agent := w.Connected()
				succeed(w)
				accepted(w, w.APIM.APIs()[0])
				pass(time.Hour)
				if why := agent.Board.Read().Integrations[0].Events.Failure; why == "" || w.Log.Count("events cannot be received") != 1 {
					t.Errorf("%q\n%s", why, w.Log)
				}
				before, api := writes(w), w.APIM.APIs()[2].ProviderID
				scope, restAPI, stage := partOf(api)
				_, err := w.AWS.Redeploy(scope, restAPI, stage)
				must(t, err)
				happened(w, "CreateDeployment", fmt.Sprintf(`{"restApiId":%q,"stageName":%q}`, restAPI, stage))
				w.AWS.Script().Clear()
				pass(6 * time.Minute)
				if got := written(w, before); !slices.Equal(got, []string{api}) {
					t.Errorf("%v were sent, want %s", got, api)
				}
				if why := agent.Board.Read().Integrations[0].Events.Failure; why != "" {
					t.Errorf("the board still says %q", why)
				}
			})
		})
	}
}

// A tool that changes many APIs one after the other makes one ingest.
func TestABurstOfEventsIsOneIngest(t *testing.T) {
	run(t, listening(t, oneRegion(30, 1, 2)), func(t *testing.T, w *world.World) {
		w.Connected()
		succeed(w)
		before := writes(w)
		var want []string
		for n, a := range w.APIM.APIs() {
			if n%2 > 0 {
				continue
			}
			scope, restAPI, stage := partOf(a.ProviderID)
			for range 3 {
				_, err := w.AWS.Redeploy(scope, restAPI, stage)
				must(t, err)
				happened(w, "CreateDeployment", fmt.Sprintf(`{"restApiId":%q,"stageName":%q}`, restAPI, stage))
				pass(time.Second)
			}
			want = append(want, a.ProviderID)
		}
		pass(time.Minute)
		slices.Sort(want)
		jobs := w.APIM.Jobs()
		if got := written(w, before); !slices.Equal(got, want) || len(jobs) != 2 || jobs[1].Status != apimsim.JobSuccess {
			t.Errorf("%d jobs; %d were sent, want %d", len(jobs), len(got), len(want))
		}
		healthy(t, w)
	})
}
