package doctor

import (
	"context"

	"federation-agent/internal/apigateway"
)

const checkEvents = "events"

// events tries the queue of events by one call of each kind, and takes no message from anybody.
func (d *doctor) events(ctx context.Context, credentials *apigateway.Credentials, r row) Result {
	settings := d.Config.Agent.Events
	if !settings.IsOn() {
		return r.is(NotTried, "agent.events.queueUrl is not set, as by default",
			"with it, and with sqs:ReceiveMessage and sqs:DeleteMessage on the queue, APIM has what changes in AWS about a minute later")
	}
	r.about = settings.QueueURL
	if credentials == nil {
		return r.behind(checkCredentials)
	}
	queue := apigateway.NewQueue(credentials.Config(settings.Region, settings.RoleARN), settings.QueueURL)
	var texts, remedies []string
	advice := ""
	for _, tried := range []func(context.Context) error{queue.ProbeReceive, queue.ProbeDelete} {
		_, err := within(ctx, queueWithin, func(ctx context.Context) (done, error) { return done{}, tried(ctx) })
		if err == nil {
			continue
		}
		texts, remedies = append(texts, refusal(err)), append(remedies, remedy(err))
		denied := optional(err, "agent.events.queueUrl", "events")
		if denied == "" {
			break // it would be the same again
		}
		advice = denied
	}
	if len(texts) > 0 {
		return r.attention(join(texts...), join(append(remedies, advice)...))
	}
	return r.good("the queue is there; events can be received and deleted")
}
