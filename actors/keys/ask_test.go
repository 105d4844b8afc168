package keys

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/messages"
)

// tells is an APIM that tells what a test wants.
type tells struct {
	asked  atomic.Int64
	answer func(ctx context.Context, api, id string) (keys.Told, error)
}

func (a *tells) Subscription(ctx context.Context, api, id string) (keys.Told, error) {
	a.asked.Add(1)
	return a.answer(ctx, api, id)
}

// askingAPIM gives the writer an APIM that it may ask.
func (w *writing) askingAPIM(answer func(ctx context.Context, api, id string) (keys.Told, error)) *tells {
	told := &tells{answer: answer}
	w.restartWith(source{client: w.aws, target: w.target, apim: told})
	return told
}

func always(status, key string) func(context.Context, string, string) (keys.Told, error) {
	return func(context.Context, string, string) (keys.Told, error) {
		return keys.Told{Status: status, KeyID: key}, nil
	}
}

// unproved makes a key whose answer may not have arrived.
func (w *writing) unproved() {
	ref, hearer := w.subscribe()
	w.tell(ref, hearer, messages.Unproved)
}

func TestAnUnconfirmedKeyIsSettledByWhatAPIMTells(t *testing.T) {
	for name, c := range map[string]struct {
		status, key string
		then        []keys.State
		gone        []string
	}{
		"accepted with this key":  {"ACCEPTED", "key-1", []keys.State{keys.Delivered}, nil},
		"accepted with another":   {"ACCEPTED", "key-x", []keys.State{keys.Unconfirmed}, nil},
		"rejected":                {"REJECTED", "", nil, []string{"key-1"}},
		"accepted and none named": {"ACCEPTED", "", []keys.State{keys.Unconfirmed}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inWriting(t, func(w *writing) {
				told := w.askingAPIM(func(_ context.Context, api, id string) (keys.Told, error) {
					if api != theAPIsID || id != "s" {
						return keys.Told{}, fmt.Errorf("asked for %s of %s", id, api)
					}
					return keys.Told{Status: c.status, KeyID: c.key}, nil
				})
				w.unproved()
				time.Sleep(firstAskOf - time.Second)
				if n := told.asked.Load(); n > 0 {
					t.Errorf("asked %d times before APIM can have stored it", n)
				}
				time.Sleep(sweepEvery + 2*time.Second)
				w.states(c.then...)
				w.gone(c.gone...)
				time.Sleep(time.Hour)
				want := int64(1)
				if len(c.then) > 0 && c.then[0] == keys.Unconfirmed {
					want = 6 // in ten minutes each, as the sweeps come
				}
				if n := told.asked.Load(); n < want || n > want+1 && want > 1 || n > 1 && want == 1 {
					t.Errorf("asked %d times, want %d", n, want)
				}
			})
		})
	}
}

// firstAskOf is how old a key is that APIM is asked about.
const firstAskOf = 2 * time.Minute

// APIM's metadata name the key of the first answer that it took. The key of a later one it shows beside that, so it must
// not be deleted on the word of the metadata.
func TestOfASubscriptionThatWasSubscribedTwiceNoKeyIsDeletedThatAPIMMayHave(t *testing.T) {
	inWriting(t, func(w *writing) {
		told := w.askingAPIM(always("ACCEPTED", "key-1"))
		ref, hearer := w.subscribe()
		w.tell(ref, hearer, messages.Delivered)
		w.unproved()
		w.states(keys.Unconfirmed, keys.Unconfirmed)
		time.Sleep(5 * time.Minute)
		w.states(keys.Unconfirmed, keys.Unconfirmed)
		w.gone()
		if n := told.asked.Load(); n != 1 {
			t.Errorf("asked %d times for both", n)
		}
	})
	inWriting(t, func(w *writing) { // they name the later one, so it has taken the place of the older one
		w.askingAPIM(always("ACCEPTED", "key-2"))
		w.unproved()
		w.unproved()
		time.Sleep(5 * time.Minute)
		w.states(keys.Delivered)
		w.gone("key-1")
	})
	inWriting(t, func(w *writing) {
		told := w.askingAPIM(always("REJECTED", ""))
		w.unproved()
		w.unproved()
		time.Sleep(5 * time.Minute)
		w.states()
		w.gone("key-1", "key-2")
		if n := told.asked.Load(); n != 1 {
			t.Errorf("asked %d times for both", n)
		}
	})
}

func TestWhatAPIMCannotTellLeavesTheKeyAloneAndSaysWhy(t *testing.T) {
	inWriting(t, func(w *writing) {
		var mended atomic.Bool
		told := w.askingAPIM(func(context.Context, string, string) (keys.Told, error) {
			if mended.Load() {
				return keys.Told{Status: "ACCEPTED", KeyID: "key-1"}, nil
			}
			return keys.Told{}, errors.New("APIM does not have the API")
		})
		w.unproved()
		time.Sleep(time.Hour)
		w.states(keys.Unconfirmed)
		w.gone()
		if n := told.asked.Load(); n < 5 || n > 6 {
			t.Errorf("asked %d times in an hour", n)
		}
		records, err := storetest.Records(w.env.Keys, store.Filter{})
		if err != nil || records[0].LastError != "APIM does not have the API" {
			t.Errorf("the journal says %+v, %v", records, err)
		}
		mended.Store(true)
		time.Sleep(11 * time.Minute)
		w.states(keys.Delivered)
	})
}

// Of sixty keys the first twenty are of APIs that APIM cannot tell about: the others come all the same.
func TestKeysThatAPIMCannotTellAboutKeepNobodyFromTheOthers(t *testing.T) {
	inWriting(t, func(w *writing) {
		w.askingAPIM(func(_ context.Context, _, id string) (keys.Told, error) {
			if id < "s-20" {
				return keys.Told{}, errors.New("the token may not")
			}
			return keys.Told{Status: "ACCEPTED", KeyID: "key-" + id}, nil
		})
		for n := range 60 {
			w.put(keys.Record{ID: fmt.Sprint("r-", n), SubscriptionID: fmt.Sprintf("s-%02d", n)})
		}
		time.Sleep(5 * time.Minute)
		if n := w.count(keys.Delivered); n > 0 {
			t.Errorf("%d were settled in the pause after a failure", n)
		}
		time.Sleep(40 * time.Minute)
		if n := w.count(keys.Delivered); n != 40 {
			t.Errorf("%d of 40 are settled", n)
		}
	})
}

func TestWithoutAPIMsAddressAnUnconfirmedKeyStays(t *testing.T) {
	inWriting(t, func(w *writing) {
		w.unproved()
		time.Sleep(24 * time.Hour)
		w.states(keys.Unconfirmed)
		w.gone()
	})
}

// What APIM does not answer holds nobody up: neither a SUBSCRIBE for long, nor the writer's end.
func TestAQuestionThatIsNotAnsweredHoldsNobodyUp(t *testing.T) {
	inWriting(t, func(w *writing) {
		told := w.askingAPIM(func(ctx context.Context, _, _ string) (keys.Told, error) {
			<-ctx.Done()
			return keys.Told{}, ctx.Err()
		})
		w.unproved()
		for told.asked.Load() == 0 {
			time.Sleep(time.Second)
		}
		began := time.Now()
		w.subscribe()
		if took := time.Since(began); took > seekWithin {
			t.Errorf("a SUBSCRIBE waited for %s", took)
		}
		w.gone()
	})
	inWriting(t, func(w *writing) {
		told := w.askingAPIM(func(ctx context.Context, _, _ string) (keys.Told, error) {
			<-ctx.Done()
			return keys.Told{}, ctx.Err()
		})
		w.unproved()
		for told.asked.Load() == 0 {
			time.Sleep(time.Second)
		}
		began := time.Now()
		if err := w.system.Root.StopFuture(w.writer).Wait(); err != nil || time.Since(began) > time.Second {
			t.Errorf("the writer's end took %s: %v", time.Since(began), err)
		}
		synctest.Wait()
		w.states(keys.Unconfirmed)
		records, err := storetest.Records(w.env.Keys, store.Filter{})
		if err != nil || records[0].LastError != "" {
			t.Errorf("what its end cut off counts as an answer: %+v, %v", records, err)
		}
	})
}

// put writes an unconfirmed record down as another process left it.
func (w *writing) put(r keys.Record) {
	w.t.Helper()
	synctest.Wait() // a sweep that runs may settle what is half written
	now := w.env.Now()
	r.Integration, r.Account, r.Region = place.Integration, place.Account, place.Region
	r.APIID, r.UsagePlanID, r.KeyName = theAPIsID, "p", "Shop / "+r.SubscriptionID
	r.CreatedAt, r.UpdatedAt = now, now
	for _, state := range []keys.State{
		keys.Intent, keys.Creating, keys.Created, keys.Attached, keys.Answered, keys.Unconfirmed,
	} {
		if r.State = state; state == keys.Created {
			r.KeyID = "key-" + r.SubscriptionID
		}
		if err := storetest.Put(w.journal, r); err != nil {
			w.t.Fatal(err)
		}
	}
}

// count is how many records are in a state.
func (w *writing) count(state keys.State) int {
	w.t.Helper()
	records, err := storetest.Records(w.env.Keys, store.Filter{States: []keys.State{state}})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(records)
}
