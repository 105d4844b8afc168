//go:build interop

package moto

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"federation-agent/internal/dynamodb"
	"federation-agent/internal/keys"
	"federation-agent/internal/quota"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/internal/store/tablestore"
	"federation-agent/internal/table"
)

// TestATableIsAJournal has the client and the store against DynamoDB as moto has it. The rest of what the store
// promises is tested against the model.
func TestATableIsAJournal(t *testing.T) {
	r := newRig(t)
	made := dynamodb.New(aws.Config{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "unchecked", ""),
	}, r.URL, "federation-agent")
	if _, err := made.Describe(r.ctx); !errors.Is(err, table.ErrNoTable) {
		t.Fatalf("before it is made: %v", err)
	}
	for range 2 { // one that is there is left as it is
		if err := made.Create(r.ctx); err != nil {
			t.Fatal(err)
		}
	}
	d, err := made.Describe(r.ctx)
	if err != nil || !d.Active || !d.Keys || !d.Protected || len(d.Replicas) > 0 {
		t.Fatalf("%+v, %v", d, err)
	}

	of := keys.Subscription{Integration: integration, Account: "123456789012", Region: "eu-west-1", ID: "S/1"}
	n := 0
	s := tablestore.New(made, func() string { n++; return fmt.Sprint("token", n) })
	rec := keys.Record{
		ID: "r1", Integration: of.Integration, Account: of.Account, Region: of.Region, SubscriptionID: of.ID,
		State: keys.Intent, KeyName: "a name",
	}
	first, err := s.Write(r.ctx, store.Entry{Of: of}, "me", []keys.Record{rec})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(r.ctx, store.Entry{Of: of}, "me", []keys.Record{rec}); !errors.Is(err, store.ErrMoved) {
		t.Errorf("a second first write: %v", err)
	}
	rec.State, rec.KeyName = keys.Creating, ""
	second, err := s.Write(r.ctx, first, "", []keys.Record{rec})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(r.ctx, first, "", nil); !errors.Is(err, store.ErrMoved) {
		t.Errorf("a removal of what has changed: %v", err)
	}
	read, err := s.Entry(r.ctx, of)
	if err != nil || fmt.Sprint(read) != fmt.Sprint(second) || read.Records[0] != rec {
		t.Errorf("read %+v, %v", read, err)
	}
	for _, open := range []bool{true, false} {
		all, err := s.Entries(r.ctx, store.Filter{Integration: integration}, open)
		if err != nil || len(all) != 1 || fmt.Sprint(all[0]) != fmt.Sprint(read) {
			t.Errorf("open %v: %+v, %v", open, all, err)
		}
	}
	if _, err := s.Write(r.ctx, second, "", nil); err != nil {
		t.Fatal(err)
	}
	if read, err = s.Entry(r.ctx, of); err != nil || read.Version != (store.Version{}) {
		t.Errorf("after its removal: %+v, %v", read, err)
	}

	// A listing of more than one item, as another process reads it.
	large := storetest.Large(20_000, 1)
	for range 2 {
		if err := s.SaveListing(r.ctx, integration, "T", large); err != nil {
			t.Fatal(err)
		}
	}
	beside := tablestore.New(made, func() string { n++; return fmt.Sprint("token", n) })
	listings, err := beside.Listings(r.ctx, integration)
	if err != nil || len(listings) != 1 || !slices.Equal(listings["T"], large) {
		t.Errorf("%d listings, of %d APIs, %v", len(listings), len(listings["T"]), err)
	}
	if err := beside.SaveListing(r.ctx, integration, "T", large[:1]); err != nil {
		t.Fatal(err)
	}
	if listings, err = s.Listings(r.ctx, integration); err != nil || !slices.Equal(listings["T"], large[:1]) {
		t.Errorf("%d APIs after it was replaced, %v", len(listings["T"]), err)
	}
	if err := s.ForgetListing(r.ctx, integration, "T"); err != nil {
		t.Fatal(err)
	}
	if listings, err = beside.Listings(r.ctx, integration); err != nil || len(listings) > 0 {
		t.Errorf("%d listings after it was forgotten, %v", len(listings), err)
	}

	// What processes share of a quota.
	ledger := quota.Ledger{Version: quota.Version{Number: 1, Token: "a/1"}, Holders: map[string]quota.Holder{
		"a-1": {Count: 1, Rate: 7000, Want: 7000, MostRate: 7000, MostBurst: 28000}, "b-1": {Count: 5},
	}}
	change := func(from, to quota.Ledger) (quota.Ledger, bool) {
		now, taken, err := s.Change(r.ctx, of.Account, of.Region, from, to)
		if err != nil {
			t.Fatal(err)
		}
		return now, taken
	}
	if _, taken := change(quota.Ledger{}, ledger); !taken {
		t.Error("the first change was refused")
	}
	now, taken := change(quota.Ledger{}, ledger)
	if taken || fmt.Sprint(now) != fmt.Sprint(ledger) {
		t.Errorf("taken: %v; it is %+v", taken, now)
	}
	after := now.Clone()
	after.Version = quota.Version{Number: 2, Token: "a/2"}
	delete(after.Holders, "b-1")
	if _, taken = change(now, after); !taken {
		t.Error("the second change was refused")
	}
	if now, _ = change(now, after); fmt.Sprint(now) != fmt.Sprint(after) {
		t.Errorf("it is %+v", now)
	}
}
