package awssim

import (
	"io"
	"testing"
)

// BenchmarkExport tells whether the stand-in itself would be the bottleneck of a load run.
func BenchmarkExport(b *testing.B) {
	const size = 100_000
	e := UniformEstate(UniformOptions{APIs: 1, StagesPerAPI: 1, DocumentBytes: size})
	g := &region{scope: Scope{UniformAccount(0), "eu-west-1"}}
	api := &e.Accounts[0].Regions[0].RestAPIs[0]
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		if err := newDocument(g, api, &api.Stages[0], false).write(io.Discard, size); err != nil {
			b.Fatal(err)
		}
	}
}
