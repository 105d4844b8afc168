package federation

import (
	"fmt"
	"testing"

	"federation-agent/internal/gateway"
)

// aRegion has as many regional APIs as AWS allows: 600 with 10 stages each, in 300 usage plans.
func aRegion() ([]*gateway.RestAPI, []*gateway.UsagePlan) {
	const apis, stages, plans = 600, 10, 300
	var a []*gateway.RestAPI
	p := make([]*gateway.UsagePlan, plans)
	for n := range p {
		p[n] = &gateway.UsagePlan{ID: fmt.Sprintf("p%d", n), Name: fmt.Sprintf("plan %d", n)}
	}
	for n := range apis {
		api := &gateway.RestAPI{ID: fmt.Sprintf("a%d", n), Name: fmt.Sprintf("service %d", n%500)}
		a = append(a, api)
		for s := range stages {
			plan := p[(n*stages+s)%plans]
			plan.Stages = append(plan.Stages, gateway.PlanStage{APIID: api.ID, Stage: fmt.Sprintf("stage%d", s)})
		}
	}
	return a, p
}

func BenchmarkBuild(b *testing.B) {
	in := sample()
	b.ReportAllocs()
	for b.Loop() {
		Build(in)
	}
}

func BenchmarkEntriesOfARegion(b *testing.B) {
	apis, plans := aRegion()
	b.ReportAllocs()
	for b.Loop() {
		Entries(apis, plans, Stages{}, Filter{})
	}
}

func BenchmarkNamesOfARegion(b *testing.B) {
	apis, plans := aRegion()
	named := NamedOf(west, Entries(apis, plans, Stages{}, Filter{}))
	b.ReportAllocs()
	for b.Loop() {
		NewNames(named)
	}
}
