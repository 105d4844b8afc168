package node_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/node"
	"federation-agent/internal/secret"
)

func TestAWebPageCannotReadTheNodeAPIUnderANameOfItsOwn(t *testing.T) {
	names := func(o *node.Options) { o.HostNames = []string{"agent.example.com", "localhost"}; o.Metrics = true }
	r := newRig(t, names)
	r.options.Board.SessionAway(integration, "connection refused", r.now)
	ask := func(host, path string) (int, string) {
		answer := r.ask(http.MethodGet, path, func(request *http.Request) { request.Host = host })
		return answer.Code, answer.Body.String()
	}
	pages := []string{"/_node", "/_node/", "/_node/federation", "/_node/metrics/prometheus"}
	for _, host := range []string{
		"", "localhost", "LOCALHOST:18084", "agent.localhost", "127.0.0.1:18084", "10.0.3.7:18084", "10.0.3.7", "[::1]:18084",
		"[::1]", "[fe80::1%eth0]:18084", "federation-agent:18084", "agent.gravitee.svc:18084",
		"agent.gravitee.svc.cluster.local.", "ip-10-0-3-7.eu-west-1.compute.internal:18084", "Agent.Example.COM:443",
	} {
		for _, path := range pages {
			if code, body := ask(host, path); code != http.StatusOK {
				t.Errorf("%q %s: %d %s", host, path, code, body)
			}
		}
		if _, body := ask(host, "/_node/health"); !strings.Contains(body, "connection refused") {
			t.Errorf("%q: %s", host, body)
		}
	}
	for _, host := range []string{
		"evil.example:18084", "127.0.0.1.evil.example", "localhost.evil.example", "agent.example.com.evil.example",
		"svc.example", "agent.example.org:18084", "xagent.example.com",
	} {
		for _, path := range append(pages, "/", "/_node/nothing") {
			code, body := ask(host, path)
			if code != http.StatusMisdirectedRequest || !strings.Contains(body, "gravitee_agent_node_hostNames") {
				t.Errorf("%q %s: %d %s", host, path, code, body)
			}
		}
		if code, _ := ask(host, "/_node/live"); code != http.StatusOK {
			t.Errorf("%q: a probe got %d", host, code)
		}
		code, body := ask(host, "/_node/ready")
		if code != http.StatusInternalServerError || strings.Contains(body, "refused") {
			t.Errorf("%q: a probe got %d %s", host, code, body)
		}
		code, body = ask(host, "/_node/health")
		if code != http.StatusOK || strings.Contains(body, "refused") || !strings.Contains(body, `"healthy": true`) {
			t.Errorf("%q: a probe got %d %s", host, code, body)
		}
	}
	if lines := strings.Count(r.log.String(), "\n"); lines != 1 || !strings.Contains(r.log.String(), "evil.example") {
		t.Errorf("%d lines\n%s", lines, r.log.String())
	}
}

func TestALongHostNameIsNotLoggedAsAWhole(t *testing.T) {
	r := newRig(t, nil)
	long := strings.Repeat("a.", 5000)
	r.ask(http.MethodGet, "/"+long, func(request *http.Request) { request.Host = long })
	if len(r.log.String()) > 1000 {
		t.Errorf("a line of %d bytes", len(r.log.String()))
	}
}

// guess asks with a password, from an address.
func (r *rig) guess(ctx context.Context, address, password string) int {
	return r.ask(http.MethodGet, "/_node/health", func(request *http.Request) {
		*request = *request.WithContext(ctx)
		request.RemoteAddr = address
		request.SetBasicAuth("admin", password)
	}).Code
}

func guarded(o *node.Options) {
	o.Open, o.Users = false, map[string]secret.String{"admin": secret.New(password)}
}

func TestWrongPasswordsAreSlowedAndManyAtATimeAreNotLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, guarded)
		began := time.Now()
		if code := r.guess(t.Context(), "10.0.0.1:1", "wrong"); code != 401 || time.Since(began) != time.Second {
			t.Errorf("%d after %s", code, time.Since(began))
		}
		began = time.Now()
		if code := r.guess(t.Context(), "10.0.0.1:1", password); code != 200 || time.Since(began) != 0 {
			t.Errorf("the right one: %d after %s", code, time.Since(began))
		}

		codes := map[int]int{}
		var group sync.WaitGroup
		var mu sync.Mutex
		guess := func(ctx context.Context, address, password string) {
			group.Go(func() {
				code := r.guess(ctx, address, password)
				mu.Lock()
				defer mu.Unlock()
				codes[code]++
			})
		}
		gone, leave := context.WithCancel(t.Context())
		leave() // who does not wait for the answer is counted as long
		for i := range 4 {
			guess(gone, fmt.Sprintf("10.0.0.1:%d", i), "wrong")
		}
		synctest.Wait()
		for i := range 100 {
			guess(t.Context(), fmt.Sprintf("10.0.0.1:%d", i), password)
		}
		synctest.Wait()
		if codes[401] != 4 || codes[429] != 100 || time.Since(began) != 0 {
			t.Errorf("%v after %s: the right password was looked at among many", codes, time.Since(began))
		}
		if code := r.guess(t.Context(), "10.0.0.2:1", password); code != 200 {
			t.Errorf("another address got %d", code)
		}
		<-time.After(time.Second)
		if code := r.guess(t.Context(), "10.0.0.1:1", password); code != 200 {
			t.Errorf("a second later: %d", code)
		}
		group.Wait()
	})
}

func TestWrongPasswordsOfManyAddressesAreBounded(t *testing.T) {
	for name, address := range map[string]func(int) string{
		"many networks":       func(i int) string { return fmt.Sprintf("10.0.%d.1:1", i) },
		"one network of IPv6": func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i) },
		"no address":          func(int) string { return "" },
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, guarded)
			codes := map[int]int{}
			var group sync.WaitGroup
			var mu sync.Mutex
			for i := range 200 {
				group.Go(func() {
					code := r.guess(t.Context(), address(i), "wrong")
					mu.Lock()
					defer mu.Unlock()
					codes[code]++
				})
			}
			group.Wait()
			want := 4
			if name == "many networks" {
				want = 64
			}
			if codes[401] != want || codes[429] != 200-want {
				t.Errorf("%s: %v", name, codes)
			}
		})
	}
}
