package apigateway

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"

	"federation-agent/internal/gateway"
)

// pageSize is the most that API Gateway gives on a page; the default of 25 costs twenty times the calls.
const pageSize = 500

// Listing reads all pages of a list, and can be interrupted: after a failure, or a deadline, the next [Listing.Run] goes on
// where the last one ended. Only a listing that is Done is the whole list; there is no way to take a part for it.
// One goroutine at a time uses it.
type Listing[T any] struct {
	operation gateway.Operation
	doing     string
	page      func(ctx context.Context, position *string) (items []T, next *string, err error)
	id        func(T) string

	items    []T
	ids      map[string]struct{}
	position *string
	asked    map[string]struct{}
	done     bool
}

// NewRESTAPIs lists the REST APIs of the client's target.
func NewRESTAPIs(c Client) *Listing[*gateway.RestAPI] {
	return &Listing[*gateway.RestAPI]{
		operation: gateway.GetRestApis,
		doing:     "listing REST APIs",
		id:        func(r *gateway.RestAPI) string { return r.ID },
		page: func(ctx context.Context, position *string) ([]*gateway.RestAPI, *string, error) {
			out, err := c.GetRestApis(ctx, &apigateway.GetRestApisInput{Limit: aws.Int32(pageSize), Position: position})
			if err != nil {
				return nil, nil, err
			}
			if out.Items == nil {
				return nil, nil, errNoList
			}
			return each(out.Items, restAPIOf), out.Position, nil
		},
	}
}

// NewUsagePlans lists the usage plans of the client's target, each with all of its stages.
func NewUsagePlans(c Client) *Listing[*gateway.UsagePlan] {
	return &Listing[*gateway.UsagePlan]{
		operation: gateway.GetUsagePlans,
		doing:     "listing usage plans",
		id:        func(p *gateway.UsagePlan) string { return p.ID },
		page: func(ctx context.Context, position *string) ([]*gateway.UsagePlan, *string, error) {
			out, err := c.GetUsagePlans(ctx, &apigateway.GetUsagePlansInput{Limit: aws.Int32(pageSize), Position: position})
			if err != nil {
				return nil, nil, err
			}
			if out.Items == nil {
				return nil, nil, errNoList
			}
			return each(out.Items, usagePlanOf), out.Position, nil
		},
	}
}

// Run reads on until the list is whole. A page that fails ends it with an [*Error]; the pages before it are kept for the
// next Run. A position that AWS does not take any more makes the next Run start over.
func (l *Listing[T]) Run(ctx context.Context) error {
	for !l.done {
		if err := l.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (l *Listing[T]) next(ctx context.Context) error {
	items, next, err := l.page(ctx, l.position)
	if err != nil {
		if Classify(err) == gateway.Invalid && l.position != nil {
			l.restart()
		}
		return failed(l.operation, l.doing, err)
	}
	l.keep(items)
	if aws.ToString(next) == "" {
		l.done = true
		l.position, l.asked, l.ids = nil, nil, nil
		return nil
	}
	if _, again := l.asked[*next]; again {
		l.restart()
		return failed(l.operation, l.doing, errPositionRepeats)
	}
	if l.asked == nil {
		l.asked = map[string]struct{}{}
	}
	l.asked[*next] = struct{}{}
	l.position = next
	return nil
}

// keep adds items but those already had: what is made or deleted while pages are read moves items over a page's edge.
func (l *Listing[T]) keep(items []T) {
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

func (l *Listing[T]) restart() {
	l.items, l.ids, l.position, l.asked = nil, nil, nil, nil
}

// errNoList is an answer of somebody else's: an empty list of AWS's is an empty list (recorded of keys), and taking {} for one
// would delete the plans of a whole target.
var errNoList = &unreadable{"the answer has no list in it: it is not API Gateway's"}

// errPositionRepeats guards against a list without an end.
var errPositionRepeats = errors.New("AWS gave the same page position twice")

// Done reports whether the list is whole.
func (l *Listing[T]) Done() bool { return l.done }

// All is the whole list, and false as long as it is not whole.
func (l *Listing[T]) All() ([]T, bool) {
	if !l.done {
		return nil, false
	}
	return l.items, true
}

func each[In, Out any](in []In, convert func(In) Out) []Out {
	out := make([]Out, len(in))
	for i, item := range in {
		out[i] = convert(item)
	}
	return out
}
