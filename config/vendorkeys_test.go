package config_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/config"
)

// trusted is what says whom the agent trusts, how it reaches APIM, or whose account is looked at.
var trusted = regexp.MustCompile(`(?i)\.ssl\.|secured|proxy|connector|providers|authentication`)

// There is no third way: what is not served is ignored with a warning that names it and a reason on the page, or
// refused with a fault.
func TestEachKeyOfTheVendorIsServedIgnoredWithAReasonOrRefused(t *testing.T) {
	served := config.Patterns()
	for pattern, reason := range config.VendorKeys {
		key := keyOf(pattern)
		_, warnings, err := config.Load(fromYAML(seed(), nested(key, "something")))
		isWarned := slices.ContainsFunc(warnings, func(w string) bool { return strings.Contains(w, key) })
		switch {
		case slices.Contains(served, pattern): // its row says so
		case reason == "":
			if err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s is not refused: %q", key, warnings)
			}
		case trusted.MatchString(key):
			t.Errorf("%s is ignored", key)
		case err != nil, !isWarned:
			t.Errorf("%s: %v %q", key, err, warnings)
		}
	}
}

func TestTheVendorsVariablesThatAreNoKeysChangeNothing(t *testing.T) {
	want, _ := mustLoad(t, sources(seed()...))
	for name := range config.VendorVariables {
		got, warnings := mustLoad(t, sources(seed(name+"=something")...))
		if diff := cmp.Diff(want, got, sameSecret); diff != "" || len(warnings) > 0 {
			t.Errorf("%s: %q\n%s", name, warnings, diff)
		}
	}
}
