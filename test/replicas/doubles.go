package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/process"
)

const (
	// together is how many subscriptions are accepted twice at the same time.
	together = 4
	// longestGap is from the first accept to the second at most: about what a SUBSCRIBE takes.
	longestGap = time.Second
)

// measureDoubles has subscriptions accepted twice, by way of two agents.
func measureDoubles(ctx context.Context, r *rig) ([]*figures, error) {
	n := pick(r, 100, 8)
	f := &figures{title: fmt.Sprintf("%d subscriptions, each accepted twice over two agents", n)}
	p, err := newPair(ctx, r)
	if err != nil {
		return nil, err
	}
	defer p.close()
	dice := rand.New(rand.NewPCG(seed, 2))
	routes := [2]apimsim.Route{apimsim.RoutePrimary, apimsim.RouteSecondary}
	answers := make([]twiceAnswer, n)
	errs := make([]error, n)
	var all sync.WaitGroup
	room := make(chan struct{}, together)
	for i := range n {
		api := p.apis[dice.IntN(len(p.apis))]
		ask := twiceRequest{
			API: api.ID, Plan: api.Plans[0].ID, Application: "twice", First: routes[i%2], Second: routes[1-i%2],
			Gap: time.Duration(dice.Int64N(int64(longestGap))),
		}
		if i%3 == 0 { // most of the doubt is in the first moment
			ask.Gap /= 20
		}
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			answers[i], errs[i] = process.Ask[twiceAnswer](ctx, http.MethodPost, p.Rig+twicePath, ask)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return []*figures{f}, p.judgeDoubles(ctx, f, answers)
}

func (p *pair) judgeDoubles(ctx context.Context, f *figures, answers []twiceAnswer) error {
	if _, err := p.settle(ctx); err != nil {
		return err
	}
	inAWS, err := process.Keys(ctx, p.AWS)
	if err != nil {
		return err
	}
	var rejected, notOne, others []string
	reasons := map[string]int{}
	for _, a := range answers {
		var keys []string
		for _, k := range inAWS {
			if strings.Contains(k.Name, a.ID) {
				keys = append(keys, k.ID)
			}
		}
		keysGiven := 0
		for _, reason := range a.Answers {
			if reason == "" {
				keysGiven++
			} else {
				reasons[strings.ReplaceAll(reason, a.ID, "ID")]++
			}
		}
		switch {
		case a.Status != apimsim.SubscriptionAccepted:
			rejected = append(rejected, fmt.Sprintf("%s: %q", a.ID, a.Answers))
		case len(keys) != 1 || keys[0] != a.Metadata[federation.MetadataKeyID]:
			notOne = append(notOne, fmt.Sprintf("%s: %q, APIM has %s", a.ID, keys, a.Metadata[federation.MetadataKeyID]))
		case keysGiven != 1:
			others = append(others, fmt.Sprintf("%s: %d keys were answered", a.ID, keysGiven))
		}
	}
	f.none("not accepted", rejected)
	f.none("accepted with more or less than the one live key that APIM has", notOne)
	f.none("answered with other than one key", others)
	for reason, n := range reasons {
		f.tell("the other answer: "+strings.ReplaceAll(reason, "|", "/"), fmt.Sprint(n))
	}
	return p.count(ctx, f)
}
