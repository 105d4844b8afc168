package awssim

import (
	"maps"
	"slices"
)

// Stored values are never changed in place: a mutator stores a changed copy, so that answers can be
// written from what was read without holding any lock. These make the copies.

func (a RestAPI) clone() RestAPI {
	a.EndpointTypes = slices.Clone(a.EndpointTypes)
	a.VPCEndpointIDs = slices.Clone(a.VPCEndpointIDs)
	a.BinaryMediaTypes = slices.Clone(a.BinaryMediaTypes)
	a.Tags = maps.Clone(a.Tags)
	a.Stages = slices.Clone(a.Stages)
	for i := range a.Stages {
		a.Stages[i] = a.Stages[i].clone()
	}
	return a
}

func (s Stage) clone() Stage {
	if s.Canary != nil {
		canary := *s.Canary
		canary.Overrides = maps.Clone(canary.Overrides)
		s.Canary = &canary
	}
	if s.Throttle != nil {
		throttle := *s.Throttle
		s.Throttle = &throttle
	}
	s.Variables = maps.Clone(s.Variables)
	s.Tags = maps.Clone(s.Tags)
	return s
}

func (p UsagePlan) clone() UsagePlan {
	if p.Throttle != nil {
		throttle := *p.Throttle
		p.Throttle = &throttle
	}
	if p.Quota != nil {
		quota := *p.Quota
		p.Quota = &quota
	}
	p.APIStages = slices.Clone(p.APIStages)
	for i := range p.APIStages {
		p.APIStages[i].Throttle = maps.Clone(p.APIStages[i].Throttle)
	}
	p.Tags = maps.Clone(p.Tags)
	return p
}

// stage finds a stage by its name, which AWS compares with regard to case.
func (a *RestAPI) stage(name string) (*Stage, bool) {
	for i := range a.Stages {
		if a.Stages[i].Name == name {
			return &a.Stages[i], true
		}
	}
	return nil, false
}

func (p *UsagePlan) covers(restAPI, stage string) bool {
	return slices.ContainsFunc(p.APIStages, func(s APIStage) bool { return s.RestAPI == restAPI && s.Stage == stage })
}
