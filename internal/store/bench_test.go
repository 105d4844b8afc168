package store

import (
	"fmt"
	"testing"

	"federation-agent/internal/keys"
)

// ofItsOwn is one of a thousand records, each of a subscription of its own.
func ofItsOwn(n int) keys.Record {
	rec := keyRecord(fmt.Sprint("r", n%1000), keys.Intent)
	rec.SubscriptionID = rec.ID
	return rec
}

func BenchmarkJournalPut(b *testing.B) {
	s, _ := openIn(b, b.TempDir())
	for n := 0; b.Loop(); n++ {
		must(b, put(s, ofItsOwn(n)))
	}
}

func BenchmarkJournalPutConcurrently(b *testing.B) {
	s, _ := openIn(b, b.TempDir())
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			if err := put(s, ofItsOwn(n)); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkExportPut(b *testing.B) {
	c := openExports(b, b.TempDir(), 64<<20)
	export := Export{Document: make([]byte, 100<<10)}
	b.SetBytes(int64(len(export.Document)))
	for n := 0; b.Loop(); n++ {
		must(b, c.Put(exportKey(n%500, "d"), export))
	}
}

func BenchmarkExportGet(b *testing.B) {
	c := openExports(b, b.TempDir(), 64<<20)
	export := Export{Document: make([]byte, 100<<10)}
	for n := range 500 {
		must(b, c.Put(exportKey(n, "d"), export))
	}
	b.SetBytes(int64(len(export.Document)))
	for n := 0; b.Loop(); n++ {
		if _, ok, err := c.Get(exportKey(n%500, "d")); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// BenchmarkExportScan is a start with all the stages that a region can hold.
func BenchmarkExportScan(b *testing.B) {
	dir := b.TempDir()
	c := openExports(b, dir, 1<<30)
	for n := range 13_200 {
		must(b, c.Put(exportKey(n, "d"), Export{Document: []byte("{}")}))
	}
	for b.Loop() {
		c := openExports(b, dir, 1<<30)
		<-c.scanned
	}
}
