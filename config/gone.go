package config

const (
	keyGone    = "agent.ingest.gone"
	goneStays  = "report"
	goneAtMost = keyGone + "AtMost"
	goneActive = keyGone + "WithSubscriptions"
)

// RemovesGone says that what AWS has deleted does not stay in APIM.
func (i Ingest) RemovesGone() bool { return i.Gone != goneStays }

// checkGone leaves it to the schedule's check that APIM can be asked.
func (l *loader) checkGone(i Ingest) {
	switch {
	case l.rejected[keyGone]:
	case !i.RemovesGone():
		why := variableName(keyGone) + " is " + goneStays
		l.adviseUnused(goneAtMost, why)
		l.adviseUnused(goneActive, why)
	case i.Schedule == "":
		l.fault(keySchedule, "is missing: %s needs it, because two scheduled rounds must see that AWS has deleted an API",
			l.named(keyGone))
	}
}
