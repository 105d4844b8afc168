package keys_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
)

func TestALookDecidesOnlyWhatAWSCanKnow(t *testing.T) {
	lost := record(1, "r", keys.LostCreate)
	lost.KeyID, lost.KeyName = "", "Shop / sub"
	ours := keys.Listed{ID: "k1", Name: "Shop / sub", Making: "r"}
	twice := keys.Listed{ID: "k2", Name: "Shop / sub", Making: "r"}
	others := keys.Listed{ID: "k3", Name: "Shop / sub", Making: "of another agent"}
	older := keys.Listed{ID: "k4", Name: "Shop / sub"}
	longer := keys.Listed{ID: "k5", Name: "Shop / sub-2"}
	unconfirmed := record(1, "r", keys.Unconfirmed)
	theKey := keys.Listed{ID: "key-r", Name: "Shop / sub", Making: "r"}
	for name, c := range map[string]struct {
		of      keys.Record
		missing int // before
		listed  []keys.Listed
		remove  []keys.Listed
		then    int
		settled bool
	}{
		"a lost create is there":                      {lost, 0, []keys.Listed{ours, longer}, []keys.Listed{ours}, 1, false},
		"two of them are":                             {lost, 2, []keys.Listed{ours, twice}, []keys.Listed{ours, twice}, 1, false},
		"another agent's key of that name":            {lost, 0, []keys.Listed{others}, nil, 1, false},
		"one that may be ours, of an earlier version": {lost, 2, []keys.Listed{older}, nil, 0, false},
		"nothing":                     {lost, 0, nil, nil, 1, false},
		"nothing, again":              {lost, 1, []keys.Listed{longer}, nil, 2, false},
		"nothing, for good":           {lost, 2, nil, nil, 3, true},
		"an unconfirmed key is there": {unconfirmed, 2, []keys.Listed{theKey}, nil, 0, false},
		"it is not":                   {unconfirmed, 0, []keys.Listed{others}, nil, 1, false},
		"it is not, for good":         {unconfirmed, 2, nil, nil, 3, true},
		"of an unconfirmed key nothing is ever deleted": {unconfirmed, 0, []keys.Listed{theKey, ours}, nil, 0, false},
	} {
		c.of.Sought.Missing = c.missing
		next, remove, settled := c.of.Found(c.listed, noon)
		if diff := cmp.Diff(c.remove, remove); diff != "" || settled != c.settled || next.Sought.Missing != c.then ||
			!next.Sought.At.Equal(noon) || next.Sought.Deleted.Equal(noon) != (c.remove != nil) || next.State != c.of.State {
			t.Errorf("%s: settled %t, %+v\n%s", name, settled, next.Sought, diff)
		}
	}
}

func TestWhenAKeyIsSought(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*keys.Record)
		seek   bool
		after  time.Duration
	}{
		"a lost create":            {func(*keys.Record) {}, true, 2 * time.Minute},
		"it was missing":           {func(r *keys.Record) { r.Sought = keys.Sought{At: noon, Missing: 1} }, true, 15 * time.Minute},
		"it was missing twice":     {func(r *keys.Record) { r.Sought = keys.Sought{At: noon, Missing: 2} }, true, time.Hour},
		"it may be another's":      {func(r *keys.Record) { r.Sought = keys.Sought{At: noon} }, true, 24 * time.Hour},
		"it is acknowledged":       {func(r *keys.Record) { r.Acknowledged.By = "admin" }, true, 2 * time.Minute},
		"its name is not known":    {func(r *keys.Record) { r.KeyName = keys.UnknownName("sub") }, false, 0},
		"an unconfirmed key":       {func(r *keys.Record) { r.State = keys.Unconfirmed }, true, 24 * time.Hour},
		"one that is acknowledged": {func(r *keys.Record) { r.State = keys.Unconfirmed; r.Acknowledged.By = "admin" }, false, 0},
		"a delivered key":          {func(r *keys.Record) { r.State = keys.Delivered }, false, 0},
		"a key in deletion":        {func(r *keys.Record) { r.State = keys.Deleting }, false, 0},
	} {
		r := record(1, "r", keys.LostCreate)
		r.KeyName, r.UpdatedAt = "Shop / sub", noon
		c.change(&r)
		at, seek := r.SeekAt()
		if seek != c.seek || seek && at.Sub(noon) != c.after {
			t.Errorf("%s: %t, after %s", name, seek, at.Sub(noon))
		}
	}
}

func TestWhatAnOperatorShouldDoAboutALostCreateFollowsFromWhoLooksForIt(t *testing.T) {
	const byHand, alone = "in the API Gateway console", "nothing: the agent looks for it by its name"
	for name, c := range map[string]struct {
		lookup bool
		change func(*keys.Record)
		after  time.Duration
		says   []string
	}{
		"nobody may look":       {false, func(*keys.Record) {}, 0, []string{byHand}},
		"it is new":             {true, func(*keys.Record) {}, 0, []string{alone}},
		"it is looked for soon": {true, func(*keys.Record) {}, 30 * time.Minute, []string{alone}},
		"nobody has looked":     {true, func(*keys.Record) {}, time.Hour, []string{"should have looked", byHand}},
		"the look failed": {
			true, func(r *keys.Record) { r.LastError = "no permission" }, 0, []string{"could not", "no permission", byHand},
		},
		"it was missing": {
			true, func(r *keys.Record) { r.Sought = keys.Sought{At: noon, Missing: 1} }, time.Minute, []string{alone},
		},
		"one was deleted": {
			true, func(r *keys.Record) { r.Sought = keys.Sought{At: noon, Missing: 1, Deleted: noon} }, time.Minute,
			[]string{"nothing: a key of this name was found and deleted at ", "12:00:00 UTC", "until two further looks show none"},
		},
		"one was deleted, and was missing since": {
			true, func(r *keys.Record) { r.Sought = keys.Sought{At: noon, Missing: 2, Deleted: noon} }, time.Minute,
			[]string{"nothing: a key of this name was found and deleted at ", "until one further look shows none"},
		},
		"it may be another's": {
			true, func(r *keys.Record) { r.Sought = keys.Sought{At: noon} }, time.Hour, []string{"leaves it alone", byHand},
		},
		"its name is not known": {
			true, func(r *keys.Record) { r.KeyName = keys.UnknownName("sub") }, 0, []string{byHand},
		},
		"it is unconfirmed": {true, func(r *keys.Record) { r.State = keys.Unconfirmed }, 0, []string{"see in APIM"}},
	} {
		r := record(1, "r", keys.LostCreate)
		r.KeyName, r.UpdatedAt = "Shop / sub", noon
		c.change(&r)
		do, itself := r.Advice(keys.Looks{AWS: c.lookup}, noon.Add(c.after))
		for _, part := range c.says {
			if !strings.Contains(do, part) {
				t.Errorf("%s: %q does not say %q", name, do, part)
			}
		}
		if itself != strings.HasPrefix(c.says[0], keys.NothingToDo) || itself && strings.Contains(do, byHand) {
			t.Errorf("%s: by itself %t: %q", name, itself, do)
		}
	}
}

func TestALookThatWasAnsweredEndsTheLastError(t *testing.T) {
	r := record(1, "r", keys.LostCreate)
	r.LastError = "no permission"
	if next, _, _ := r.Found(nil, noon); next.LastError != "" {
		t.Errorf("it still says %q", next.LastError)
	}
}
