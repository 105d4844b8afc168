package config

import (
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
		l.fault(keyEventsQueue, "%s is not the address of a standard queue of SQS", show(e.QueueURL))
		return
	}
	partition, _ := partitionOf(e.Region)
	switch {
	case e.Region != "" && partition == "":
		l.fault(keyEventsRegion, "%s is not a region%s", show(e.Region), likeRegion(e.Region))
	case e.Region == "" && regionIn(e.QueueURL) == "":
		l.fault(keyEventsRegion, "is missing: the queue's address names no region that this agent knows")
	}
	if _, is := partitionOfRole(e.RoleARN); e.RoleARN != "" && !is {
		l.fault(eventsPrefix+"roleArn", "%s is not the ARN of a role", show(e.RoleARN))
	}
	if !cfg.Agent.APIM.IsOn() && !l.rejected[keyAPIMURL] {
		l.fault(keyEventsQueue, "needs %s: APIM starts each ingest", variableName(keyAPIMURL))
	}
	if n := len(cfg.Providers); n > 1 {
		l.fault(keyEventsQueue, "serves one integration, and there are %d: what one of them takes from a queue, the others "+
			"do not see; run an agent with a queue for each", n)
	}
}
