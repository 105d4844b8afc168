package keys_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/internal/keys"
)

// asked is an unconfirmed record of which somebody knows and which was asked about before.
func asked() keys.Record {
	r := record(1, "r", keys.Unconfirmed)
	r.Reason, r.UpdatedAt, r.AskedAt, r.LastError = "before", noon, noon, "away"
	r.Acknowledged = keys.Acknowledgement{By: "admin", Reason: "a ticket", At: noon}
	return r
}

// The rows of Settles for a subscription with one key.
func TestWhatFollowsFromTheSubscriptionThatAPIMHas(t *testing.T) {
	const (
		delivered   = keys.Delivered
		deleting    = keys.Deleting
		unconfirmed = keys.Unconfirmed
	)
	now := noon.Add(time.Hour)
	for _, row := range []struct {
		status string
		// by the key that its metadata name: this one, another one, none
		this, another, none keys.State
	}{
		{"ACCEPTED", delivered, unconfirmed, unconfirmed},
		{"PAUSED", delivered, unconfirmed, unconfirmed},
		{"REJECTED", deleting, deleting, deleting},
		{"CLOSED", deleting, deleting, deleting},
		{"PENDING", unconfirmed, unconfirmed, unconfirmed},
		{"RESUMED", unconfirmed, unconfirmed, unconfirmed},
		{"", unconfirmed, unconfirmed, unconfirmed},
	} {
		for key, want := range map[string]keys.State{"key-r": row.this, "key-x": row.another, "": row.none} {
			before := asked()
			after := keys.Told{Status: row.status, KeyID: key}.Settles([]keys.Record{before}, now)
			if len(after) != 1 {
				t.Fatalf("%q with key %q: %+v", row.status, key, after)
			}
			got := after[0]
			if got.State != want || !before.State.CanBecome(want) {
				t.Errorf("%q with key %q: %s, want %s", row.status, key, got.State, want)
			}
			if got.State != unconfirmed {
				if got.Reason == "before" || got.IsAcknowledged() || got.LastError != "" || !got.AskedAt.IsZero() ||
					!got.UpdatedAt.Equal(now) {
					t.Errorf("%q with key %q: %+v", row.status, key, got)
				}
				continue
			}
			if why := got.LastError; !strings.HasPrefix(why, "APIM has the subscription") {
				t.Errorf("%q with key %q: it says %q", row.status, key, why)
			}
			want := before
			want.AskedAt, want.LastError = now, got.LastError
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q with key %q changed more than it should\n%s", row.status, key, diff)
			}
		}
	}
}

func TestAnAnswerThatNamesNoKeySettlesNothingAlsoForAKeyWithoutId(t *testing.T) {
	r := asked()
	r.KeyID = ""
	if got := (keys.Told{Status: "ACCEPTED"}).Settles([]keys.Record{r}, noon)[0]; got.State != keys.Unconfirmed {
		t.Error(got.State)
	}
}

// APIM's metadata name the first answer that it took, and it shows the keys of all. So where a subscription was
// subscribed twice, one key that they name settles no other.
func TestOfTwoKeysThatAreInDoubtAPIMsMetadataSettleTheLaterOneOnly(t *testing.T) {
	const (
		delivered   = keys.Delivered
		deleting    = keys.Deleting
		unconfirmed = keys.Unconfirmed
	)
	of := func(status, key string) keys.Told { return keys.Told{Status: status, KeyID: key} }
	for name, c := range map[string]struct {
		told         keys.Told
		older, newer keys.State
		want         []keys.State // of those that are unconfirmed, the older one first
	}{
		"they name the older one": {
			of("ACCEPTED", "key-a"), unconfirmed, unconfirmed, []keys.State{unconfirmed, unconfirmed},
		},
		"they name the later one": {
			of("ACCEPTED", "key-b"), unconfirmed, unconfirmed, []keys.State{unconfirmed, delivered},
		},
		"the later one is being answered": {of("PAUSED", "key-a"), unconfirmed, keys.Answered, []keys.State{unconfirmed}},
		"the later one is being deleted":  {of("ACCEPTED", "key-a"), unconfirmed, deleting, []keys.State{delivered}},
		"the older one is being deleted":  {of("ACCEPTED", "key-b"), deleting, unconfirmed, []keys.State{delivered}},
		"it is rejected":                  {of("REJECTED", ""), unconfirmed, unconfirmed, []keys.State{deleting, deleting}},
		"nothing is in doubt any more":    {of("REJECTED", ""), deleting, delivered, nil},
	} {
		older, newer := record(1, "a", c.older), record(2, "b", c.newer)
		var got []keys.State
		for _, r := range c.told.Settles([]keys.Record{newer, older}, noon) {
			got = append(got, r.State)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestWhenAPIMIsAsked(t *testing.T) {
	at := func(state keys.State, since, asked time.Duration) keys.Record {
		r := record(1, "r", state)
		r.UpdatedAt = noon.Add(since)
		if asked > 0 {
			r.AskedAt = noon.Add(asked)
		}
		return r
	}
	const m = time.Minute
	acknowledged := asked()
	for name, c := range map[string]struct {
		records []keys.Record
		ask     bool
		after   time.Duration
	}{
		"nothing":                       {nil, false, 0},
		"nothing is unconfirmed":        {[]keys.Record{at(keys.Delivered, 0, 0), at(keys.LostCreate, 0, 0)}, false, 0},
		"it is new":                     {[]keys.Record{at(keys.Unconfirmed, 0, 0)}, true, 2 * m},
		"it was asked about":            {[]keys.Record{at(keys.Unconfirmed, 0, 3*m)}, true, 13 * m},
		"a newer one is unconfirmed":    {[]keys.Record{at(keys.Unconfirmed, 0, m), at(keys.Unconfirmed, 30*m, 0)}, true, 32 * m},
		"an older one waits for longer": {[]keys.Record{at(keys.Unconfirmed, 0, 9*m), at(keys.Unconfirmed, m, 0)}, true, 19 * m},
		"somebody has acknowledged it":  {[]keys.Record{acknowledged}, true, 10 * m},
	} {
		got, ask := keys.AskAt(c.records)
		if ask != c.ask || ask && got.Sub(noon) != c.after {
			t.Errorf("%s: %t, after %s", name, ask, got.Sub(noon))
		}
	}
}

func TestWhatAnOperatorShouldDoAboutAnUnconfirmedKeyFollowsFromWhetherAPIMCanBeAsked(t *testing.T) {
	const byHand, alone = "see in APIM whether", "nothing: the agent asks APIM for the subscription's state"
	for name, c := range map[string]struct {
		looks keys.Looks
		why   string
		after time.Duration
		says  []string
	}{
		"nobody can ask":   {keys.Looks{AWS: true}, "", 0, []string{byHand}},
		"it is new":        {keys.Looks{APIM: true}, "", time.Minute, []string{alone}},
		"it is asked soon": {keys.Looks{APIM: true}, "", 30 * time.Minute, []string{alone}},
		"nobody has asked": {keys.Looks{APIM: true}, "", time.Hour, []string{"should have asked APIM", byHand}},
		"it told nothing":  {keys.Looks{APIM: true}, "it answered 403", 0, []string{"could not", "it answered 403", byHand}},
	} {
		r := record(1, "r", keys.Unconfirmed)
		r.UpdatedAt, r.LastError = noon, c.why
		do, itself := r.Advice(c.looks, noon.Add(c.after))
		for _, part := range c.says {
			if !strings.Contains(do, part) {
				t.Errorf("%s: %q does not say %q", name, do, part)
			}
		}
		if itself != (c.says[0] == alone) || itself && strings.Contains(do, byHand) {
			t.Errorf("%s: by itself %t: %q", name, itself, do)
		}
	}
}
