package apigateway

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/gateway"
)

// oneAtATime is the permits of one process: it has one CreateUsagePlanKey in flight, and each attempt takes one.
type oneAtATime struct {
	free  chan struct{}
	taken atomic.Int64
}

func (o *oneAtATime) Acquire(ctx context.Context, r gateway.PermitRequest) (Done, error) {
	select {
	case <-o.free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	o.taken.Add(1)
	return func(gateway.Outcome) { o.free <- struct{}{} }, nil
}

// TestTwoProcessesAttachKeysAlthoughAWSTakesOneAtATime: each process has one attempt at CreateUsagePlanKey in flight, and
// AWS answers 409 to two that overlap. Every attempt has its permit, no key is given up, and the whole costs little more
// than AWS's own time.
func TestTwoProcessesAttachKeysAlthoughAWSTakesOneAtATime(t *testing.T) {
	const (
		processes = 2
		each      = 50 // a process's SUBSCRIBEs at the same time
		takes     = 150 * time.Millisecond
	)
	synctest.Test(t, func(t *testing.T) {
		var underWay, conflicts atomic.Int64
		w := &wire{answer: func(_ int, r *http.Request) (*http.Response, error) {
			defer underWay.Add(-1)
			if underWay.Add(1) > 1 {
				conflicts.Add(1)
				return busy(r)
			}
			time.Sleep(takes)
			return ok(201, `{"id":"k","type":"API_KEY"}`)(r)
		}}
		var permits [processes]*oneAtATime
		var attached, refused, longest atomic.Int64
		began := time.Now()
		for p := range processes {
			permits[p] = &oneAtATime{free: make(chan struct{}, 1)}
			permits[p].free <- struct{}{}
			dice := rand.New(rand.NewPCG(uint64(p), 15))
			jitter := make(chan float64)
			go func() {
				for {
					select {
					case jitter <- dice.Float64():
					case <-t.Context().Done():
						return
					}
				}
			}()
			client := NewClient(w.config(), Options{Permits: permits[p], Jitter: func() float64 { return <-jitter }})
			for k := range each {
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
					defer cancel()
					if err := AttachKey(ctx, client, "plan", fmt.Sprint("key-", p, "-", k)); err != nil {
						refused.Add(1)
						t.Log(err)
						return
					}
					attached.Add(1)
					longest.Store(int64(time.Since(began)))
				}()
			}
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		calls := int64(len(w.requests()))
		t.Logf("%d keys attached within %s, %d attempts, %d of them 409", attached.Load(),
			time.Duration(longest.Load()), calls, conflicts.Load())
		if refused.Load() > 0 || attached.Load() != processes*each {
			t.Errorf("%d attached, %d given up", attached.Load(), refused.Load())
		}
		if permits := permits[0].taken.Load() + permits[1].taken.Load(); permits != calls {
			t.Errorf("%d attempts had %d permits", calls, permits)
		}
	})
}
