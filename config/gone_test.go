package config_test

import "testing"

func TestWhatIsGoneIsOnlyRemovedOnASchedule(t *testing.T) {
	const gone, when = "gravitee_agent_ingest_gone", "gravitee_agent_ingest_schedule"
	cfg, warnings := mustLoad(t, sources(rest(when+"=@hourly", gone+"=unpublish", gone+"AtMost=3")...))
	wantWarnings(t, warnings)
	if got := cfg.Agent.Ingest; !got.RemovesGone() || got.Gone != "unpublish" || got.GoneAtMost != 3 {
		t.Errorf("%+v", got)
	}
	if cfg, _ = mustLoad(t, sources(rest()...)); cfg.Agent.Ingest.RemovesGone() {
		t.Error("by default, something is removed")
	}
	wantFaults(t, faultsOf(t, sources(rest(gone+"=delete")...)),
		when+": is missing: "+gone+" needs it, because two scheduled rounds must see that AWS has deleted an API "+
			"(for example "+when+"=")
	_, warnings = mustLoad(t, sources(rest(gone+"AtMost=1", gone+"WithSubscriptions=true")...))
	wantWarnings(t, warnings, gone+"AtMost: has no effect, because "+gone+" is report",
		gone+"WithSubscriptions: has no effect, because "+gone+" is report")
}
