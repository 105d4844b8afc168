package config

import (
	"cmp"
	"net/url"
	"strings"

	"federation-agent/internal/region"
)

// Events says from which queue of SQS the agent hears what has changed in AWS (operations.md, Events). It is off without
// a queue.
type Events struct {
	// Queue of SQS to which EventBridge sends API Gateway's events: the agent hears which APIs have changed, and has APIM
	// ingest them within a minute. Needs agent.apim, one integration, and sqs:ReceiveMessage and sqs:DeleteMessage on the
	// queue. Costs three calls to SQS a minute in the primary agent. Where to find it: SQS console, the queue, URL.
	QueueURL string `env:"queueUrl" example:"https://sqs.eu-west-1.amazonaws.com/123456789012/federation-events"`
	// Region of the queue. Without it the one that the queue's address names.
	Region string `env:"region" example:"eu-west-1"`
	// Role that is assumed to read the queue, such as one of the queue's account. Without it the agent's own identity
	// reads it.
	RoleARN string `env:"roleArn" guard:"account" example:"arn:aws:iam::123456789012:role/federation-events"`
}

// IsOn reports whether there is a queue.
func (e Events) IsOn() bool { return e.QueueURL != "" }

const (
	eventsPrefix    = "agent.events."
	keyEventsQueue  = eventsPrefix + "queueUrl"
	keyEventsRegion = eventsPrefix + "region"
	keyEventsRole   = eventsPrefix + "roleArn"
)

// regionIn is the region that a queue's address names, empty if it names none.
func regionIn(queueURL string) string {
	u, err := url.Parse(queueURL)
	if err != nil {
		return ""
	}
	for label := range strings.SplitSeq(u.Hostname(), ".") {
		if region.Known(label) {
			return label
		}
	}
	return ""
}

// Queue is the account and the name of the queue.
func (e Events) Queue() (account, name string) {
	u, err := url.Parse(e.QueueURL)
	if err != nil {
		return "", ""
	}
	account, name, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return account, name
}

// EventsExternalID is what is sent where the role of the queue is assumed: a role has one external id, whatever it is
// assumed for.
func (c Config) EventsExternalID() (id, setting string) {
	for _, p := range c.Providers {
		for _, a := range c.Accesses(p) {
			if a.Role == c.Agent.Events.RoleARN {
				return a.ExternalID, a.ExternalIDFrom
			}
		}
	}
	return c.Agent.AWS.ExternalID, "agent.aws.externalId"
}

func (l *loader) checkEvents(cfg Config) {
	e := cfg.Agent.Events
	if !e.IsOn() {
		l.adviseUnused(eventsPrefix, variableName(keyEventsQueue)+" is not set")
		return
	}
	// The name of a FIFO queue ends with .fifo, and EventBridge needs more for it than we describe.
	account, name := e.Queue()
	u, err := url.Parse(e.QueueURL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" ||
		!accountID.MatchString(account) || name == "" || strings.ContainsAny(name, "/.") {
		switch {
		case strings.HasPrefix(e.QueueURL, "arn:"):
			l.fault(keyEventsQueue, "this is an ARN: write the queue's URL")
		case strings.HasSuffix(e.QueueURL, ".fifo"):
			l.fault(keyEventsQueue, "this is a FIFO queue, which is not served: name a standard queue of SQS")
		default:
			l.fault(keyEventsQueue, "%s is not the address of a standard queue of SQS", show(e.QueueURL))
		}
		return
	}
	named := regionIn(e.QueueURL)
	partition, _ := partitionOf(cmp.Or(e.Region, named))
	switch {
	case e.Region == "" && named == "":
		l.fault(keyEventsRegion, "is missing: the queue's address names no region that this agent knows")
	case partition == "":
		l.fault(keyEventsRegion, "%s is not a region%s", show(e.Region), likeRegion(e.Region))
	case e.Region != "" && named != "" && e.Region != named:
		l.fault(keyEventsRegion, "%s is not where the queue is: its address says %s; leave this away", show(e.Region), named)
	}
	if of, is := partitionOfRole(e.RoleARN); e.RoleARN != "" && !is {
		l.fault(keyEventsRole, "%s is not the ARN of a role", show(e.RoleARN))
	} else if is && partition != "" && of != partition {
		l.fault(keyEventsRole, "%s is in another partition than the queue; no role works across partitions", show(e.RoleARN))
	}
	if !cfg.Agent.APIM.IsOn() && !l.rejected[keyAPIMURL] {
		// Named as APIM's, because the policies of AWS are made before anything of APIM is known.
		l.fault(keyAPIMURL, "is missing: %s needs it, because APIM starts each ingest", variableName(keyEventsQueue))
	}
	if n := len(cfg.Providers); n > 1 {
		l.fault(keyEventsQueue, "serves one integration, and there are %d: what one of them takes from a queue, the others "+
			"do not see; run an agent with a queue for each", n)
	}
}
