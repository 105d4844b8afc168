// Package doctor asks everything outside that the agent needs whether it would serve it: APIM, AWS, the disk and the
// port. It is a list of questions, each with its time, and each answer says what to do. It changes nothing, but where
// it is asked to make a key, and it disturbs no agent that runs.
package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/store"
)

// Verdict is what a check found.
type Verdict string

// The verdicts.
const (
	Good Verdict = "ok"
	// Attention: the agent does not work, or not fully, until somebody does what the remedy says.
	Attention Verdict = "attention"
	// NotTried: an earlier check failed, or only a change could tell. It is no fault.
	NotTried Verdict = "not tried"
)

// Result is one row.
type Result struct {
	Check string `json:"check"`
	// About says of what: an endpoint, an integration, an account and region, a directory.
	About   string  `json:"about,omitempty"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"result"`
	Remedy  string  `json:"remedy,omitempty"`
}

// Healthy reports whether nothing needs attention.
func Healthy(results []Result) bool {
	return !slices.ContainsFunc(results, func(r Result) bool { return r.Verdict == Attention })
}

// row is a result that has not been found yet.
type row struct{ check, about string }

func (r row) is(v Verdict, text, remedy string) Result {
	return Result{Check: r.check, About: r.about, Verdict: v, Text: text, Remedy: remedy}
}

func (r row) good(text string) Result              { return r.is(Good, text, "") }
func (r row) attention(text, remedy string) Result { return r.is(Attention, text, remedy) }

// behind is the row of a check that could only follow another one.
func (r row) behind(other string) Result {
	return r.is(NotTried, other+" must be ok first", "")
}

// Options are what the checks need.
type Options struct {
	Config config.Config
	// MakeAKey makes a key in each account and region, tries to attach it, and deletes it.
	MakeAKey bool
	// Dial opens the TCP connection to APIM; nil means the system's. Proxy is the address of the proxy through which it
	// leads, empty for none.
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	Proxy string
	// TLS is that of the sessions to APIM; nil means the system's roots.
	TLS func() *tls.Config
	// Credentials makes those of an integration.
	Credentials func(context.Context, config.Provider) (*apigateway.Credentials, error)
	// AskNode asks whether a federation agent serves the node API. Listen tries to take its port.
	AskNode func(context.Context) error
	Listen  func() error
	// Table gives the client of the journal's table, where that is a table.
	Table func(context.Context) (Table, error)
	// Volume is where the store is; nil means the disk.
	Volume store.Volume
	// Now is this machine's clock, NewID makes ids that nobody has. Nil means the usual ones.
	Now   func() time.Time
	NewID func() string
}

// Each group of checks has its own time, so that none can hold up the command. What one call may take is bounded where
// it is made: 15 s, but for what follows here.
const (
	// helloWithin is much longer than APIM needs to look an integration up.
	helloWithin = 10 * time.Second
	// identityWithin has room for a default chain that looks at several sources, and for STS of two regions.
	identityWithin = 40 * time.Second
	// callWithin is the time of one call to API Gateway, and a little more.
	callWithin = 16 * time.Second
	// queueWithin has room for STS, where a role reads the queue of events.
	queueWithin = 20 * time.Second
	// diskWithin is for a network file system that hangs.
	diskWithin = 10 * time.Second
	// portWithin is for whatever has the port and says nothing.
	portWithin = 5 * time.Second
	// atATime bounds how many accounts and regions are asked together.
	atATime = 8
)

type doctor struct{ Options }

// Examine makes all checks and gives their results, in a fixed order.
func Examine(ctx context.Context, o Options) []Result {
	o.Now = orDefault(o.Now, time.Now)
	o.NewID = orDefault(o.NewID, uuid.NewString)
	d := &doctor{o}
	groups := []func() []Result{func() []Result { return d.apim(ctx) }, func() []Result { return d.rest(ctx) }}
	for _, p := range o.Config.Providers {
		groups = append(groups, func() []Result { return d.aws(ctx, p) })
	}
	groups = append(groups, func() []Result { return d.disk(ctx) }, func() []Result { return d.port(ctx) })
	return slices.Concat(together(groups, func(ask func() []Result) []Result { return ask() })...)
}

func orDefault[F any](f, usual func() F) func() F {
	if f == nil {
		return usual
	}
	return f
}

// together does something for each of a list, some at a time, and keeps the order.
func together[In, Out any](in []In, do func(In) Out) []Out {
	out, places := make([]Out, len(in)), make(chan struct{}, atATime)
	var all sync.WaitGroup
	for i, item := range in {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			out[i] = do(item)
		})
	}
	all.Wait()
	return out
}

var errLate = errors.New("there was no answer in time")

// within asks something that may not listen to its context, and gives up when the time is over.
func within[T any](ctx context.Context, limit time.Duration, ask func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	came := make(chan answer, 1)
	go func() {
		value, err := ask(ctx)
		came <- answer{value, err}
	}()
	select {
	case a := <-came:
		return a.value, a.err
	case <-ctx.Done():
	}
	select { // what listens to its context says more than the clock
	case a := <-came:
		return a.value, a.err
	case <-time.After(time.Second):
	}
	var none T
	if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
		return none, err
	}
	return none, errLate
}
