package missing

import (
	"errors"
	"fmt"
	"testing"
)

// verdict is a test that remembers how it was ended.
type verdict struct {
	testing.TB
	end string
}

func (v *verdict) Helper()           {}
func (v *verdict) Skip(args ...any)  { v.end = "skipped: " + fmt.Sprint(args...) }
func (v *verdict) Fatal(args ...any) { v.end = "failed: " + fmt.Sprint(args...) }

func TestWhatIsMissingSkipsAtHomeAndFailsInCI(t *testing.T) {
	absent := fmt.Errorf("starting: %w", &Error{
		What: "a JVM", Install: "apt-get install jvm", Err: errors.New("not found"),
	})
	const text = "a JVM is missing; to install it: apt-get install jvm: not found"
	for name, c := range map[string]struct {
		ci   string
		err  error
		want string
	}{
		"nothing":             {ci: "true"},
		"absent":              {err: absent, want: "skipped: " + text},
		"absent, in CI":       {ci: "true", err: absent, want: "failed: starting: " + text},
		"absent, another CI":  {ci: "1", err: absent, want: "failed: starting: " + text},
		"a fault, not absent": {err: errors.New("broken"), want: "failed: broken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CI", c.ci)
			v := &verdict{TB: t}
			if Require(v, c.err); v.end != c.want {
				t.Errorf("%q, want %q", v.end, c.want)
			}
		})
	}
}
