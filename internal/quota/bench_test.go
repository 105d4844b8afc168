package quota_test

import (
	"testing"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/quota"
)

// BenchmarkBudget is one permit's way: asked for behind 20 others, granted, returned.
func BenchmarkBudget(b *testing.B) {
	now := start()
	budget := quota.NewBudget(quota.AWSLimits(awsRate, int(awsBurst), 0.7), now)
	ticket := uint64(0)
	ask := func() {
		ticket++
		budget.Ask(now, ticket, gateway.PermitRequest{Operation: "GetExport", Priority: gateway.PriorityIngest})
	}
	for range 20 {
		ask()
	}
	for b.Loop() {
		now = now.Add(time.Second / 7)
		for _, granted := range budget.Advance(now).Granted {
			budget.Return(granted)
			ask()
		}
	}
}
