package config_test

import "testing"

func TestAQueueOfEventsNeedsARESTAPIThatStartsIngests(t *testing.T) {
	const (
		queue = "gravitee_agent_events_queueUrl"
		where = "gravitee_agent_events_region"
		good  = queue + "=https://sqs.eu-west-3.amazonaws.com/123456789012/federation-events"
		other = queue + "=http://127.0.0.1:4566/000000000000/events"
	)
	for written, want := range map[string]string{
		good: "eu-west-3",
		queue + "=https://eu-west-3.queue.amazonaws.com/123456789012/q":                "eu-west-3",
		queue + "=https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q":              "cn-north-1",
		queue + "=https://vpce-1.sqs.us-east-2.vpce.amazonaws.com/123456789012/my_q-1": "us-east-2",
	} {
		cfg, warnings := mustLoad(t, sources(rest(written)...))
		wantWarnings(t, warnings)
		if got := cfg.Agent.Events.Region; got != want {
			t.Errorf("%s: region %q", written, got)
		}
		if account, name := cfg.Agent.Events.Queue(); account != "123456789012" || name == "" {
			t.Errorf("%s: %q, %q", written, account, name)
		}
	}
	cfg, warnings := mustLoad(t, sources(rest(other, where+"=eu-west-1")...))
	wantWarnings(t, warnings)
	if got := cfg.Agent.Events.Region; got != "eu-west-1" {
		t.Errorf("the region is %q", got)
	}
	_, warnings = mustLoad(t, sources(rest(where+"=eu-west-1")...))
	wantWarnings(t, warnings, where+": has no effect, because "+queue+" is not set")

	wantFaults(t, faultsOf(t, sources(seed(good)...)), apim+"url: is missing: "+queue+" needs it, because APIM starts each ingest")
	wantFaults(t, faultsOf(t, sources(rest(other)...)), where+": is missing: the queue's address names no region")
	wantFaults(t, faultsOf(t, sources(rest(good, where+"=Frankfurt")...)), where+`: "Frankfurt" is not a region`)
	wantFaults(t, faultsOf(t, sources(rest(good, where+"=eu-west-1")...)),
		where+`: "eu-west-1" is not where the queue is: its address says eu-west-3; leave this away`)
	wantFaults(t, faultsOf(t, sources(rest(good, "gravitee_agent_events_roleArn=arn:aws-cn:iam::123456789012:role/events")...)),
		"gravitee_agent_events_roleArn: a value of 40 characters is in another partition than the queue")
	wantFaults(t, faultsOf(t, sources(rest(good, "gravitee_agent_events_roleArn=admin")...)),
		`gravitee_agent_events_roleArn: "admin" is not the ARN of a role`)
	wantFaults(t, faultsOf(t, sources(rest(good,
		"gravitee_integration_providers_1_type=aws-api-gateway",
		"gravitee_integration_providers_1_integrationId=22222222-2222-3333-4444-555555555555",
		"gravitee_integration_providers_1_configuration_region=eu-west-1",
	)...)), queue+": serves one integration, and there are 2")
	wantFaults(t, faultsOf(t, sources(rest(queue+"=arn:aws:sqs:eu-west-1:123456789012:q")...)),
		queue+": this is an ARN: write the queue's URL")
	wantFaults(t, faultsOf(t, sources(rest(queue+"=https://sqs.eu-west-1.amazonaws.com/123456789012/q.fifo")...)),
		queue+": this is a FIFO queue, which is not served")
	for _, wrong := range []string{
		"https://sqs.eu-west-1.amazonaws.com/q", "q",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/a/b",
		"https://u:p@sqs.eu-west-1.amazonaws.com/123456789012/q", "ftp://sqs.eu-west-1.amazonaws.com/123456789012/q",
	} {
		wantFaults(t, faultsOf(t, sources(rest(queue+"="+wrong)...)), queue+": ")
	}
}
