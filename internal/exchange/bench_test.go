package exchange_test

import (
	"testing"

	"federation-agent/internal/exchange"
	"federation-agent/internal/federated"
)

func BenchmarkAppendAPI(b *testing.B) {
	api := federated.API{Summary: federated.Summary{UniqueID: "u", ID: "i", Name: "n"},
		Pages: []federated.Page{{Content: document(100 << 10)}}}
	buffer := exchange.AppendAPI(nil, api)
	b.SetBytes(100 << 10)
	b.ReportAllocs()
	for b.Loop() {
		buffer = exchange.AppendAPI(buffer[:0], api)
	}
}

func BenchmarkDecodeCommand(b *testing.B) {
	frame := command(
		"SUBSCRIBE",
		`{"id":"6f1c","type":"SUBSCRIBE","payload":{"apiId":"a","subscription":{"graviteeSubscriptionId":"s1",`+
			`"graviteeApplicationId":"app1","graviteeApplicationName":"Billing","type":"API_KEY",`+
			`"metadata":{"planId":"p1","aws-api-gateway-region":"eu-west-1"}}}}`,
	)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := exchange.DecodeCommand(frame); err != nil {
			b.Fatal(err)
		}
	}
}
