package exports

import (
	"strings"
	"testing"

	"federation-agent/internal/federation"
)

func TestWhetherAJobMayBeDoneFollowsFromWhoseFaultItIs(t *testing.T) {
	there := federation.Target{Account: "1", Region: "b"}
	one := func(t federation.Target, api string) federation.ID {
		return federation.ID{Account: t.Account, Region: t.Region, RestAPI: api, Stage: "s"}
	}
	for name, c := range map[string]struct {
		happens func(*Missing)
		because string // empty: it may be done
	}{
		"nothing":         {func(*Missing) {}, ""},
		"all ready":       {func(m *Missing) { m.Ready(one(here, "a")) }, ""},
		"one fails":       {func(m *Missing) { m.Ready(one(here, "a")); m.Failed(one(here, "b"), "denied", false) }, ""},
		"all fail":        {func(m *Missing) { m.Failed(one(here, "b"), "denied", false) }, "all 1 APIs of 1:a were left out; the last one: denied"},
		"out of reach":    {func(m *Missing) { m.Ready(one(here, "a")); m.Failed(one(here, "b"), "silent", true) }, "1 APIs of 1:a are missing: silent"},
		"all of one fail": {func(m *Missing) { m.Ready(one(here, "a")); m.Failed(one(there, "b"), "denied", false) }, "all 1 APIs of 1:b"},
		"APIM refuses one of two": {func(m *Missing) {
			m.Ready(one(here, "a"))
			m.Ready(one(here, "b"))
			m.Refused(one(here, "b"), "no")
		}, ""},
		"APIM refuses all": {func(m *Missing) { m.Ready(one(here, "b")); m.Refused(one(here, "b"), "no") }, "the last one: no"},
		"no listing":       {func(m *Missing) { m.Ready(one(here, "a")); m.Unlisted(there, "silent", true) }, "1:b could not be listed: silent"},
		"a listing at last, of an account that was not known": {func(m *Missing) {
			m.Unlisted(federation.Target{Region: there.Region}, "silent", true)
			if m.Listed(here) || !m.Listed(there) || m.Listed(there) || m.AnyAway() {
				panic("a target that is listed counts as missing")
			}
		}, ""},
		"a listing at last": {func(m *Missing) {
			m.Unlisted(there, "silent", true)
			if !m.AnyAway() || !m.AnyUnlisted() || !m.Listed(there) || m.Listed(there) || m.AnyAway() {
				panic("a target that is listed counts as missing")
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMissing()
			c.happens(&m)
			if got := m.NotDone(); (got == "") != (c.because == "") || !strings.Contains(got, c.because) {
				t.Errorf("%q, want %q", got, c.because)
			}
		})
	}
}
