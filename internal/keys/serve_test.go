package keys_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
)

// Serves' table: the records are those of integration "int" in account "a", region "west".
func TestWhoServesARecord(t *testing.T) {
	at := keys.Place{Integration: "int", Account: "a", Region: "west"}
	with := func(usable bool, integration, account, region string) keys.Credentials {
		return keys.Credentials{
			Place: keys.Place{Integration: integration, Account: account, Region: region}, Usable: usable,
		}
	}
	own, ownLater := with(true, "int", "a", "west"), with(false, "int", "", "west")
	neighbour, kin := with(true, "other", "a", "west"), with(true, "int", "a", "east")
	later, stranger := with(false, "other", "", "east"), with(true, "int", "b", "west")
	elsewhere := with(false, "int", "b", "west") // it will never be of the account
	for name, c := range map[string]struct {
		configured []keys.Credentials
		who        keys.Server
		with       keys.Credentials
	}{
		"nothing is configured":        {nil, keys.Nobody, keys.Credentials{}},
		"its own":                      {[]keys.Credentials{ownLater, neighbour, own}, keys.Own, own},
		"its own, later":               {[]keys.Credentials{kin, neighbour, ownLater}, keys.Awaited, ownLater},
		"another integration's writer": {[]keys.Credentials{later, kin, neighbour}, keys.Neighbour, neighbour},
		"its account's credentials for another region": {[]keys.Credentials{later, stranger, kin}, keys.Kin, kin},
		"another integration's for another region": {
			[]keys.Credentials{with(true, "other", "a", "east")}, keys.Kin, with(true, "other", "a", "east"),
		},
		"credentials whose account is not known yet": {[]keys.Credentials{stranger, later}, keys.Awaited, later},
		"other accounts only":                        {[]keys.Credentials{stranger, elsewhere}, keys.Nobody, keys.Credentials{}},
		"of two neighbours the first": {
			[]keys.Credentials{with(true, "third", "a", "west"), neighbour}, keys.Neighbour, with(true, "third", "a", "west"),
		},
	} {
		who, by := keys.Serves(at, c.configured)
		if diff := cmp.Diff(c.with, by); who != c.who || diff != "" {
			t.Errorf("%s: %s, want %s\n%s", name, who, c.who, diff)
		}
	}
}

// What the journal says once a step is decided is a state that may follow, and needs no other step but the deletion.
func TestWhatIsNotedOfAStepIsAllThatCanBeDoneWithoutAWS(t *testing.T) {
	for state, want := range map[keys.State]keys.State{
		keys.Intent: "", keys.Creating: keys.LostCreate, keys.Created: keys.Deleting, keys.Attached: keys.Deleting,
		keys.Answered: keys.Unconfirmed, keys.Deleting: keys.Deleting,
	} {
		r := record(1, "r", state)
		r.Reason = "before"
		noted, keep := keys.Decide([]keys.Record{r})[0].Noted(noon)
		if keep != (want != "") || keep && (noted.State != want || !state.CanBecome(noted.State)) {
			t.Errorf("%s: %s, kept %t", state, noted.State, keep)
		}
		if next := keys.Decide([]keys.Record{noted}); keep && len(next) > 0 && next[0].Action != keys.Delete {
			t.Errorf("%s: then %s", state, next[0].Action)
		}
		if state == keys.Deleting && noted.Reason != "before" {
			t.Errorf("the reason is %q", noted.Reason)
		}
	}
}
