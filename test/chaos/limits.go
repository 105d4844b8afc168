package chaos

import (
	"math"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/exchange"
	"federation-agent/internal/sandbox/apimsim"
)

// controller is a node of APIM's cluster. What it takes, its operator has set: that it is less than what the agent
// sends is no fault that passes.
type controller struct {
	frame   int   // bytes; 0: as usual
	message int64 // bytes; 0: as usual
}

const (
	// leastMessage and mostMessage, in bytes, bound a small limit: from less than an API without its document, to the
	// largest document of an estate.
	leastMessage = 1200
	mostMessage  = 160 << 10
	// leastFrameTaken and mostFrameTaken are the same for frames, between the agent's least and its usual one.
	leastFrameTaken = 1100
	mostFrameTaken  = 48 << 10
	// envelope, in bytes, is more than stands around an API in an INGEST or in the answer to a FETCH.
	envelope = 400
	// limitTries is how often in a row an agent's answer may be too large before one passes: each try halves what is sent.
	limitTries = 12
)

// newControllers draws the cluster of a seed with small limits: one node, or two that differ.
func newControllers(d dice, p profile) []controller {
	if !p.has(famLimits) {
		return nil
	}
	var all []controller
	for _, node := range []string{"a", "b"}[:d.between(1, 2, "controllers")] {
		var c controller
		if d.chance(0.3, "small frames", node) {
			c.frame = leastFrameTaken * d.logarithmic(mostFrameTaken/leastFrameTaken, "frame", node)
		}
		if c.frame == 0 || d.chance(0.7, "small messages", node) {
			c.message = int64(leastMessage * d.logarithmic(mostMessage/leastMessage, "message", node))
		}
		all = append(all, c)
	}
	return all
}

// limits says what the controller at the other end of a connection takes: a load balancer deals them out.
func (r *run) limits(conn int) (frame int, message int64) {
	if len(r.controllers) == 0 {
		return 0, 0
	}
	c := r.controllers[conn%len(r.controllers)]
	return c.frame, c.message
}

// leastTaken is the largest message that each controller of the cluster takes.
func (r *run) leastTaken() int64 {
	least := int64(math.MaxInt64)
	for _, c := range r.controllers {
		if c.message > 0 {
			least = min(least, c.message)
		}
	}
	return least
}

// surelyTaken is the largest message that an agent may not hold for too large. For an INGEST it learns the size of what
// failed; the answers to DISCOVER, LIST and FETCH are halved, whatever message failed.
func (r *run) surelyTaken() int64 {
	if legacy, _ := r.apimLacks(); legacy {
		return r.leastTaken() / 2
	}
	return r.leastTaken()
}

// tooLarge reports whether an encoded API of so many bytes may be too large for a controller.
func (r *run) tooLarge(bytes int) bool { return int64(bytes)+envelope > r.surelyTaken() }

// closedFor is how many connections were closed because of a message, or a frame, that was too large.
func (r *run) closedFor(what apimsim.ProblemCode) int {
	n := 0
	for _, p := range r.world.APIM.Problems() {
		if p.Code == what {
			n++
		}
	}
	return n
}

// noneFits reports whether all APIs of a target are too large, even without their documents: then an ingest is no
// success.
func (r *run) noneFits(expected map[string]wantedAPI) bool {
	fits := map[string]bool{}
	for id, want := range expected {
		target := id[:strings.LastIndexByte(id[:strings.LastIndexByte(id, ':')], ':')]
		fits[target] = fits[target] || !r.tooLarge(want.bare)
	}
	for _, any := range fits {
		if !any {
			return true
		}
	}
	return false
}

// roundsNeeded is how often 4.4 must be asked for what does not fit into one answer. What was in an answer that was too
// large counts as sent, so it comes again only after the others.
func (r *run) roundsNeeded() int {
	expected, err := r.expected()
	if legacy, _ := r.apimLacks(); err != nil || !legacy || len(r.controllers) == 0 {
		return 0
	}
	return 2 * len(expected)
}

// checkLimits ingests everything once more: what was learnt of the controllers' limits is not learnt again.
func (r *run) checkLimits() {
	if len(r.controllers) == 0 {
		return
	}
	for what, code := range map[string]apimsim.ProblemCode{
		"message": apimsim.ProblemMessageTooLarge, "frame": apimsim.ProblemFrameTooLarge,
	} {
		if n := r.closedFor(code); n > 0 {
			r.count("fault "+what+" too large for a controller", n)
		}
	}
	legacy, _ := r.apimLacks()
	if legacy || len(r.slots) > 1 || len(r.controllers) > 1 {
		// On 4.4 a FETCH and the LIST before it are learnt of by themselves. What one controller took, another one that
		// the agent comes to later may find too large.
		return
	}
	var began time.Time // of the process: what is learnt ends with it
	for _, l := range r.lives {
		if l.began.After(began) {
			began = l.began
		}
	}
	learnt := slices.ContainsFunc(r.world.APIM.Problems(), func(p apimsim.Problem) bool {
		return p.Code == apimsim.ProblemMessageTooLarge && p.At.After(began)
	})
	before := r.closedFor(apimsim.ProblemMessageTooLarge)
	if !r.ingestAtLast(nil) {
		return
	}
	r.checkConvergence("after everything was ingested with limits that are known")
	r.count("ingests with limits that are known", 1)
	// Where no message was too large before, nothing could be learnt: how APIs meet in batches depends on timing.
	if n := r.closedFor(apimsim.ProblemMessageTooLarge) - before; n > 0 && learnt {
		r.violated("limit-forgotten", "an ingest of what was ingested before was too large for the controller %d times", n)
	}
}

// previewFits reports whether a preview of all must come whole.
func (r *run) previewFits(expected map[string]wantedAPI) bool {
	bytes := 0
	for _, want := range expected {
		bytes += want.summary
	}
	return float64(exchange.DiscoverReplySize("", len(expected), bytes)+envelope) <= 0.9*float64(r.leastTaken()/2)
}

// saidTooLarge reports whether the log says that an API's document was left out.
func (r *run) saidTooLarge(id string) bool {
	return len(r.controllers) > 0 && r.world.Log.Has("an API goes out without its document", id)
}

// mayBeTooLarge are problems that APIM sees where its limits are smaller than the agent's.
func (r *run) mayBeTooLarge(code apimsim.ProblemCode) bool {
	return slices.ContainsFunc(r.controllers, func(c controller) bool {
		return code == apimsim.ProblemFrameTooLarge && c.frame > 0 || code == apimsim.ProblemMessageTooLarge && c.message > 0
	})
}
