package apigateway

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/apigateway"

	"federation-agent/internal/gateway"
)

// pageSize is the largest page that API Gateway gives. The default of 25 costs twenty times as many calls.
const pageSize = 500

// A listing ends with a fault beyond these, or something that answers for AWS could fill the memory.
const (
	// maxListed is some eight times the REST APIs that AWS allows in a region (600 regional, 600 private, 120 edge), and
	// thirty times the usage plans (300; both can be raised).
	maxListed = 10_000
	// maxPages is for pages with few items or none. maxListed items need 20 full pages.
	maxPages = 200
	// maxPosition, in bytes, is many times as long as AWS's page positions are. A position becomes a part of an URL.
	maxPosition = 4 << 10
)

// PagedList reads all pages of a list. After a failure or a deadline, the next [PagedList.Run] continues where the last
// one stopped. Only [PagedList.All] of a listing that is Done gives items, so that nobody can take a part for the whole
// list. Only one goroutine at a time may use it.
type PagedList[T any] struct {
	operation gateway.Operation
	doing     string
	page      func(ctx context.Context, position *string) (items []T, next *string, err error)
	id        func(T) string

	items    []T
	ids      map[string]struct{}
	position *string
	asked    []string // the positions so far
	done     bool
}

// NewRESTAPIs lists the REST APIs of the client's target.
func NewRESTAPIs(c Client) *PagedList[*gateway.RestAPI] {
	return &PagedList[*gateway.RestAPI]{
		operation: gateway.GetRestApis,
		doing:     "listing REST APIs",
		id:        func(r *gateway.RestAPI) string { return r.ID },
		page: func(ctx context.Context, position *string) ([]*gateway.RestAPI, *string, error) {
			out, err := c.GetRestApis(ctx, &sdk.GetRestApisInput{Limit: aws.Int32(pageSize), Position: position})
			if err != nil {
				return nil, nil, err
			}
			items, err := each(out.Items, restAPIOf)
			return items, out.Position, err
		},
	}
}

// NewUsagePlans lists the usage plans of the client's target, each with all of its stages.
func NewUsagePlans(c Client) *PagedList[*gateway.UsagePlan] {
	return &PagedList[*gateway.UsagePlan]{
		operation: gateway.GetUsagePlans,
		doing:     "listing usage plans",
		id:        func(p *gateway.UsagePlan) string { return p.ID },
		page: func(ctx context.Context, position *string) ([]*gateway.UsagePlan, *string, error) {
			out, err := c.GetUsagePlans(ctx, &sdk.GetUsagePlansInput{Limit: aws.Int32(pageSize), Position: position})
			if err != nil {
				return nil, nil, err
			}
			items, err := each(out.Items, usagePlanOf)
			return items, out.Position, err
		},
	}
}

// FindKeys lists the API keys of the client's target whose names begin with a text, without their values.
func FindKeys(ctx context.Context, c Client, name string) ([]*gateway.APIKey, error) {
	l := &PagedList[*gateway.APIKey]{
		operation: gateway.GetAPIKeys,
		doing:     "looking for API keys by their name",
		id:        func(k *gateway.APIKey) string { return k.ID },
		page: func(ctx context.Context, position *string) ([]*gateway.APIKey, *string, error) {
			out, err := c.GetApiKeys(ctx, &sdk.GetApiKeysInput{
				NameQuery: aws.String(name), Limit: aws.Int32(pageSize), Position: position,
			})
			if err != nil {
				return nil, nil, err
			}
			items, err := each(out.Items, apiKeyOf)
			return items, out.Position, err
		},
	}
	if err := l.Run(ctx); err != nil {
		return nil, err
	}
	return l.items, nil
}

// Probe asks AWS for as little as it gives, to learn whether it answers. It needs one permit for each attempt.
func Probe(ctx context.Context, c Client) error {
	if _, err := c.GetRestApis(ctx, &sdk.GetRestApisInput{Limit: aws.Int32(1)}); err != nil {
		return failed(gateway.GetRestApis, "asking whether AWS answers", err)
	}
	return nil
}

// ProbePlans is [Probe] for usage plans.
func ProbePlans(ctx context.Context, c Client) error {
	if _, err := c.GetUsagePlans(ctx, &sdk.GetUsagePlansInput{Limit: aws.Int32(1)}); err != nil {
		return failed(gateway.GetUsagePlans, "asking for usage plans", err)
	}
	return nil
}

// ProbeKeys is [Probe] for the API keys that [FindKeys] lists.
func ProbeKeys(ctx context.Context, c Client) error {
	if _, err := c.GetApiKeys(ctx, &sdk.GetApiKeysInput{Limit: aws.Int32(1)}); err != nil {
		return failed(gateway.GetAPIKeys, "asking for API keys", err)
	}
	return nil
}

// Run reads pages until the list is complete. If a page fails, Run returns an [*Error] and keeps the earlier pages for
// the next Run. If AWS refuses a position that it gave before, the next Run starts again with the first page.
func (l *PagedList[T]) Run(ctx context.Context) error {
	for !l.done {
		if err := l.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *PagedList[T]) next(ctx context.Context) error {
	items, next, err := l.page(ctx, l.position)
	if err != nil {
		if Classify(err) == gateway.Invalid && l.position != nil {
			l.restart()
		}
		return failed(l.operation, l.doing, err)
	}
	l.keep(items)
	position := aws.ToString(next)
	if len(l.items) > maxListed || len(position) > maxPosition || len(l.asked) > maxPages ||
		slices.Contains(l.asked, position) {
		l.restart()
		return failed(l.operation, l.doing, errNoEnd)
	}
	if position == "" {
		l.done = true
		l.position, l.asked, l.ids = nil, nil, nil
		return nil
	}
	l.asked = append(l.asked, *next)
	l.position = next
	return nil
}

// keep adds the items that it does not have yet. Items that are created or deleted while pages are read move other
// items to the next or the previous page.
func (l *PagedList[T]) keep(items []T) {
	if l.ids == nil {
		l.ids = map[string]struct{}{}
	}
	for _, item := range items {
		id := l.id(item)
		if _, had := l.ids[id]; had {
			continue
		}
		l.ids[id] = struct{}{}
		l.items = append(l.items, item)
	}
}

func (l *PagedList[T]) restart() {
	l.items, l.ids, l.position, l.asked = nil, nil, nil, nil
}

// errNoList is an answer that does not come from AWS, which writes an empty list as an empty list (recorded for keys).
// To take {} for one would delete the plans of a whole target.
var errNoList = &unreadable{"the answer holds no list, so it is not API Gateway's"}

// errNoEnd guards against a list without an end.
var errNoEnd = &unreadable{fmt.Sprintf("the listing has no end: a page position came twice, or is no position, "+
	"or there are more than %d items or %d pages", maxListed, maxPages)}

// Done reports whether the list is complete.
func (l *PagedList[T]) Done() bool { return l.done }

// All returns the whole list, and false as long as it is not complete.
func (l *PagedList[T]) All() ([]T, bool) {
	if !l.done {
		return nil, false
	}
	return l.items, true
}

// each converts the items of an answer. Its error is errNoList.
func each[In, Out any](in []In, convert func(In) Out) ([]Out, error) {
	if in == nil {
		return nil, errNoList
	}
	out := make([]Out, len(in))
	for i, item := range in {
		out[i] = convert(item)
	}
	return out, nil
}
