package tablestore_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/keys"
	"federation-agent/internal/members"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table/tablesim"
)

// What docs/performance.md says of the table's calls and units is counted here, with ids as long as real ones.

// uuid is as long as one.
func uuid(n int) string { return fmt.Sprintf("%08x-89ab-4cde-8f01-23456789abcd", n) }

// bill checks the calls by their kind, and what they cost.
func bill(t *testing.T, model *tablesim.Model, from int, calls string, want tablesim.Bill) {
	t.Helper()
	counts := map[tablesim.Op]int{}
	for _, c := range model.Calls()[from:] {
		counts[c.Op]++
	}
	var did []string
	for _, op := range []tablesim.Op{tablesim.Get, tablesim.Query, tablesim.Update, tablesim.Delete, tablesim.Describe} {
		if counts[op] > 0 {
			did = append(did, fmt.Sprint(counts[op], " ", op))
		}
	}
	got := model.Bill(from, func(tablesim.Call) bool { return true })
	if list := strings.Join(did, ", "); list != calls {
		t.Errorf("calls: %s, want %s", list, calls)
	}
	near := got // what is compressed may differ a little with the next Go
	if d := got.Writes - want.Writes; d*d*400 <= want.Writes*want.Writes {
		near.Writes = want.Writes
	}
	if near != want {
		t.Errorf("%+v, %.7f USD, want %+v", got, got.USD(), want)
	}
}

func TestWhatASubscribeCosts(t *testing.T) {
	model := tablesim.New(nil)
	s := tablestore.New(model.Client("a"), func() string { return uuid(1) })
	must(t, s.Open(t.Context()))
	of := keys.Subscription{Integration: uuid(2), Account: "123456789012", Region: "eu-west-1", ID: uuid(3)}
	from := len(model.Calls())
	entry, err := s.Entry(t.Context(), of)
	must(t, err)
	r := keys.Record{
		ID: uuid(4), Integration: of.Integration, Account: of.Account, Region: of.Region, SubscriptionID: of.ID,
		APIID: "123456789012:eu-west-1:a1b2c3d4e5:prod", UsagePlanID: "a1b2c3", CommandID: uuid(5),
		KeyName: "gravitee-" + uuid(3) + "-Pets of the shop", CreatedAt: start, UpdatedAt: start,
	}
	for _, state := range []keys.State{keys.Intent, keys.Creating, keys.Created, keys.Attached, keys.Answered, keys.Delivered} {
		if r.State = state; state == keys.Created {
			r.KeyID = "a1b2c3d4e5"
		}
		owner := uuid(6)
		if state == keys.Delivered {
			owner = ""
		}
		entry, err = s.Write(t.Context(), entry, owner, []keys.Record{r})
		must(t, err)
	}
	_, err = s.Entry(t.Context(), of)
	must(t, err)
	bill(t, model, from, "2 Get, 6 Update", tablesim.Bill{Calls: 8, Reads: 2, Writes: 6, Index: 6})
}

// Two processes for an hour in which nothing happens.
func TestWhatAnHourAtRestCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		model := tablesim.New(nil)
		var all []*tablestore.Store
		for n := range 2 {
			s := tablestore.New(model.Client(fmt.Sprint(n)), func() string { return uuid(n) })
			must(t, s.Open(t.Context()))
			all = append(all, s)
		}
		from := len(model.Calls())
		for count := int64(1); count <= int64(time.Hour/members.RaiseEvery); count++ {
			time.Sleep(members.RaiseEvery)
			for n, s := range all {
				must(t, s.Raise(t.Context(), members.Member{ID: uuid(n), Count: count, Version: "1.2.3", Ready: []string{uuid(9)}}, time.Now()))
				_, err := s.Members(t.Context())
				must(t, err)
				if count%15 == 0 { // the writer of one account and region
					_, err = s.Entries(t.Context(), store.Filter{Integration: uuid(9), Account: "123456789012", Region: "eu-west-1"}, true)
					must(t, err)
				}
			}
		}
		bill(t, model, from, "120 Get, 3840 Query, 3600 Update, 120 Describe",
			tablesim.Bill{Calls: 7680, Reads: 3840, Writes: 3600})
	})
}

// 600 REST APIs with 3 stages each go out in 36 batches of 50.
func TestWhatAnIngestCosts(t *testing.T) {
	const apis, batch = 1800, 50
	model := tablesim.New(nil)
	tokens := 0
	s := tablestore.New(model.Client("a"), func() string { tokens++; return uuid(tokens) })
	must(t, s.Open(t.Context()))
	integration := uuid(2)
	of := store.OwnedJob{Integration: integration, JobID: uuid(3), Owner: uuid(1)}
	from := len(model.Calls())
	must(t, s.Start(t.Context(), store.IngestJob{OwnedJob: of, StartedAt: start, Total: apis}))
	listing := make([]store.RememberedAPI, apis)
	for n := 0; n < apis; n += batch {
		plans, taken, ids := map[string][]string{}, map[string]string{}, []string{}
		for i := n; i < n+batch; i++ {
			id := fmt.Sprintf("123456789012:eu-west-1:%010x:stage%d", scattered(i/3)>>24, i%3)
			ids = append(ids, id)
			plans[id], taken[id] = []string{fmt.Sprintf("%06x", i/100)}, digest(i)
			listing[i] = store.RememberedAPI{ID: id, Name: fmt.Sprintf("Orders of the shop %d", i/3)}
		}
		send(t, s, of, plans)
		must(t, s.Acknowledge(t.Context(), of, ids, taken, start))
	}
	must(t, s.SendingDone(t.Context(), of))
	must(t, s.Finish(t.Context(), of))
	bill(t, model, from, "79 Update, 1 Delete", tablesim.Bill{Calls: 80, Writes: 1094})

	from = len(model.Calls())
	must(t, s.SaveListing(t.Context(), integration, "123456789012:eu-west-1", listing))
	bill(t, model, from, "1 Update", tablesim.Bill{Calls: 1, Writes: 12})
	must(t, s.SaveListing(t.Context(), integration, "123456789012:eu-west-1", listing))
	from = len(model.Calls())
	_, err := s.Listings(t.Context(), integration)
	must(t, err)
	bill(t, model, from, "1 Query", tablesim.Bill{Calls: 1, Reads: 3})
}

// scattered is a number as AWS's ids have them: they hardly compress.
func scattered(n int) uint64 {
	x := uint64(n+1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	return x ^ x>>27
}

// digest is as an exported API's makes them.
func digest(n int) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(n)))
	return base64.RawStdEncoding.EncodeToString(sum[:16])
}

// The quota's ledger while one process, alone, makes one key: two lists, CreateApiKey, CreateUsagePlanKey.
func TestWhatTheQuotaCosts(t *testing.T) {
	w := newQuotaWorld(1, 1)
	a := w.start("a", 0)
	w.run(time.Minute) // it comes to have what it keeps for keys
	bill(t, w.model, 0, "7 Update", tablesim.Bill{Calls: 7, Writes: 7})
	from := len(w.model.Calls())
	for range 4 {
		a.tell(func() { a.ask(gateway.PriorityKeys) })
	}
	w.run(2 * time.Minute)
	bill(t, w.model, from, "3 Update", tablesim.Bill{Calls: 3, Writes: 3})
	busy := newQuotaWorld(1, 1)
	busy.start("a", 0).work(24)
	busy.after(300*time.Millisecond, func() { busy.start("bb", 0).work(24) })
	busy.run(time.Minute)
	from = len(busy.model.Calls())
	busy.run(11 * time.Minute)
	bill(t, busy.model, from, "2304 Update", tablesim.Bill{Calls: 2304, Writes: 2304})
}
