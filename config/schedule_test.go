package config_test

import "testing"

func TestAScheduleNeedsARESTAPIThatStartsIngests(t *testing.T) {
	const when = "gravitee_agent_ingest_schedule"
	cfg, warnings := mustLoad(t, sources(rest(when+"=CRON_TZ=Europe/Paris 0 6 * * MON-FRI")...))
	wantWarnings(t, warnings)
	if got := cfg.Agent.Ingest.Schedule; got != "CRON_TZ=Europe/Paris 0 6 * * MON-FRI" {
		t.Errorf("it is read as %q", got)
	}
	wantFaults(t, faultsOf(t, sources(seed(when+"=@hourly")...)),
		apim+"url: is missing: "+when+" needs it, because APIM starts each ingest, and tells what it has "+
			"(for example "+apim+"url=https://")
	wantFaults(t, faultsOf(t, sources(rest(when+"=hourly")...)),
		when+`: "hourly" is no schedule`)
	wantFaults(t, faultsOf(t, sources(rest(when+"=* * * * *")...)),
		when+`: "* * * * *" comes twice within 5m0s`)
	_, warnings = mustLoad(t, sources(rest(when+"Jitter=1m")...))
	wantWarnings(t, warnings, when+"Jitter: has no effect, because "+when+" is not set")
}
