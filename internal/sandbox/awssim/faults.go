package awssim

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Event names one attempt at an operation in a way that stays the same from run to run: a fault must be a
// function of it, never of a shared random stream.
type Event struct {
	Account   string `json:"account"`
	Region    string `json:"region"`
	Operation string `json:"operation"`
	RestAPI   string `json:"restApi,omitempty"`
	Stage     string `json:"stage,omitempty"`
	UsagePlan string `json:"usagePlan,omitempty"`
	// Domain is a custom domain name.
	Domain string `json:"domain,omitempty"`
	// Key is the API key's name, also where the request carries its id; an unknown id stands for itself.
	Key string `json:"key,omitempty"`
	// Role is the ARN that AssumeRole asks for.
	Role string `json:"role,omitempty"`
	// Position is the page token of a listing, empty for its first page.
	Position string `json:"position,omitempty"`
	// N counts the attempts with all the same fields above, from 1, refused ones included.
	N int `json:"n"`
}

// Resource spells what the operation is about, without account, region and count.
func (e Event) Resource() string {
	var parts []string
	for _, part := range [...]struct{ name, value string }{
		{"api", e.RestAPI}, {"stage", e.Stage}, {"plan", e.UsagePlan}, {"domain", e.Domain}, {"key", e.Key},
		{"role", e.Role}, {"position", e.Position},
	} {
		if part.value != "" {
			parts = append(parts, part.name+"="+part.value)
		}
	}
	return strings.Join(parts, " ")
}

// String is the event's stable name.
func (e Event) String() string { return fmt.Sprintf("%s #%d", e.series(), e.N) }

// series names all attempts that N counts together.
func (e Event) series() string {
	return strings.TrimSpace(e.Account + "/" + e.Region + " " + e.Operation + " " + e.Resource())
}

// Chance draws a number in [0, 1) that depends on the seed, the event's name and the purpose alone.
func (e Event) Chance(seed uint64, purpose string) float64 {
	return unit(hash64(seed, purpose, e.String()))
}

// FaultKind says what goes wrong.
type FaultKind string

// Kinds of fault. The empty kind is none, though its Delay holds.
const (
	// FaultAnswer answers Status, Code and Message instead of doing the operation.
	FaultAnswer FaultKind = "answer"
	// FaultHang does nothing and answers nothing until the client leaves or the server is closed.
	FaultHang FaultKind = "hang"
	// FaultCloseBefore closes the connection without doing the operation. Mind that Go's transport sends a
	// request again by itself if it can be repeated and its connection was not new.
	FaultCloseBefore FaultKind = "close-before"
	// FaultLoseAnswer does the operation and closes the connection without an answer.
	FaultLoseAnswer FaultKind = "lose-answer"
	// FaultHangAfter does the operation and answers nothing until the client leaves or the server is closed.
	FaultHangAfter FaultKind = "hang-after"
	// FaultTruncate does the operation and closes the connection after Bytes of the answer's body.
	FaultTruncate FaultKind = "truncate"
	// FaultForeign does nothing and answers Status, 200 to 399, with Body, as another server would that stands between.
	FaultForeign FaultKind = "foreign"
)

// Fault is what shall happen to one attempt. Delay comes before anything else. A fault that makes no sense
// (an unknown kind, an answer that is no error, a negative number) answers 500 with the reason.
type Fault struct {
	Kind    FaultKind     `json:"kind,omitempty"`
	Delay   time.Duration `json:"delay,omitempty"`
	Status  int           `json:"status,omitempty"`
	Code    string        `json:"code,omitempty"`
	Message string        `json:"message,omitempty"`
	// RetryAfter is sent as Retry-After, in whole seconds rounded up: the SDK's retryAfterSeconds.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	Bytes      int           `json:"bytes,omitempty"`
	Body       string        `json:"body,omitempty"`
	// Location is where a redirect leads.
	Location string `json:"location,omitempty"`
	// Endless repeats Body until the client leaves.
	Endless bool `json:"endless,omitempty"`
}

// Answer is the fault that answers an error.
func Answer(status int, code, message string) Fault {
	return Fault{Kind: FaultAnswer, Status: status, Code: code, Message: message}
}

// Throttling is AWS's 429; retryAfter 0 sends no such header.
func Throttling(retryAfter time.Duration) Fault {
	return Fault{
		Kind: FaultAnswer, Status: http.StatusTooManyRequests, Code: CodeTooManyRequests, Message: messageTooManyRequests,
		RetryAfter: retryAfter,
	}
}

// Unavailable is AWS's 503.
func Unavailable() Fault {
	return Answer(http.StatusServiceUnavailable, CodeServiceUnavailable, messageServiceUnavailable)
}

// Slow makes the attempt take so much longer, and nothing else.
func Slow(d time.Duration) Fault { return Fault{Delay: d} }

// Of gives a fault of a kind that needs nothing more said.
func Of(kind FaultKind) Fault { return Fault{Kind: kind} }

// Truncate cuts the answer's body after so many bytes.
func Truncate(bytes int) Fault { return Fault{Kind: FaultTruncate, Bytes: bytes} }

// Foreign answers 200 with a body that is not AWS's.
func Foreign(body string) Fault {
	return Fault{Kind: FaultForeign, Status: http.StatusOK, Body: body}
}

// Redirect answers a redirect.
func Redirect(status int, location string) Fault {
	return Fault{Kind: FaultForeign, Status: status, Location: location}
}

// check finds what a fault from outside may have wrong.
func (f Fault) check() error {
	switch f.Kind {
	case FaultAnswer:
		if f.Status < http.StatusBadRequest || f.Status > maxStatus {
			return fmt.Errorf("a fault of kind %q needs a status of 400 to 599, not %d", f.Kind, f.Status)
		}
	case FaultForeign:
		if f.Status < http.StatusOK || f.Status >= http.StatusBadRequest || f.Endless && f.Body == "" {
			return fmt.Errorf("a fault of kind %q needs a status of 200 to 399, and a body if it is endless", f.Kind)
		}
	case "", FaultHang, FaultCloseBefore, FaultLoseAnswer, FaultHangAfter, FaultTruncate:
	default:
		return fmt.Errorf("no fault is of kind %q", f.Kind)
	}
	if f.Delay < 0 || f.RetryAfter < 0 || f.Bytes < 0 {
		return fmt.Errorf("a fault of kind %q has a negative delay, retryAfter or bytes", f.Kind)
	}
	return nil
}

// maxStatus is the greatest HTTP status there is a meaning for.
const maxStatus = 599

// costsToken tells whether AWS would have counted the attempt against its quota: not one that it
// throttled, nor one that never reached it.
func (f Fault) costsToken() bool {
	return f.Kind != FaultCloseBefore && f.Kind != FaultForeign &&
		(f.Kind != FaultAnswer || f.Status != http.StatusTooManyRequests)
}

// Rule is one line of a [Script]: which attempts it holds for, and what happens to them. Empty fields
// match anything.
type Rule struct {
	Account   string `json:"account,omitempty"`
	Region    string `json:"region,omitempty"`
	Operation string `json:"operation,omitempty"`
	RestAPI   string `json:"restApi,omitempty"`
	Stage     string `json:"stage,omitempty"`
	UsagePlan string `json:"usagePlan,omitempty"`
	Key       string `json:"key,omitempty"`
	// N limits the rule to the events with that count.
	N int `json:"n,omitempty"`
	// Skip lets so many matching attempts pass first.
	Skip int `json:"skip,omitempty"`
	// Times limits how often the rule strikes; 0 means for ever.
	Times int   `json:"times,omitempty"`
	Fault Fault `json:"fault"`
}

func (r Rule) matches(e Event) bool {
	same := func(want, got string) bool { return want == "" || want == got }
	return same(r.Account, e.Account) && same(r.Region, e.Region) && same(r.Operation, e.Operation) &&
		same(r.RestAPI, e.RestAPI) && same(r.Stage, e.Stage) && same(r.UsagePlan, e.UsagePlan) &&
		same(r.Key, e.Key) && (r.N == 0 || r.N == e.N)
}

// Script is a list of rules; the first that strikes decides. Its method Fault fits [Options.Faults].
// It is safe for concurrent use, and its zero value is an empty script.
type Script struct {
	mu    sync.Mutex
	rules []*scripted
}

type scripted struct {
	Rule
	met, struck int
}

// NewScript makes a script.
func NewScript(rules ...Rule) *Script {
	s := &Script{}
	s.Add(rules...)
	return s
}

// Add puts rules at the end.
func (s *Script) Add(rules ...Rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rules {
		s.rules = append(s.rules, &scripted{Rule: r})
	}
}

// Clear takes all rules away: from now on nothing fails.
func (s *Script) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// Struck tells how often each rule struck, in the script's order.
func (s *Script) Struck() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]int, len(s.rules))
	for i, r := range s.rules {
		out[i] = r.struck
	}
	return out
}

// Fault says what shall happen to an attempt.
func (s *Script) Fault(e Event) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if !r.matches(e) || r.Times > 0 && r.struck >= r.Times {
			continue
		}
		if r.met++; r.met <= r.Skip {
			continue
		}
		r.struck++
		return r.Fault
	}
	return Fault{}
}
