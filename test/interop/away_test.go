//go:build interop

package interop

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"federation-agent/test/interop/controller"
	"federation-agent/test/process"
)

// away is how long AWS refuses connections: longer than the waits between the attempts of one call, and short enough
// for CI. A longer one is for the hand: `go test … -run TestAWSIsAway ./test/interop -args -away=60s`.
var away = flag.Duration("away", 15*time.Second, "how long AWS refuses connections in the middle of an ingest")

const (
	// apisOfAway is more than two batches, which the default quota takes some 15 s for: AWS goes in the middle.
	apisOfAway = 120
	// backWithin is the rest of the ingest: its documents at the default quota, the wait before a target is asked again,
	// and what a busy machine adds.
	backWithin = 45 * time.Second
)

// TestAWSIsAwayInTheMiddleOfAnIngest has the built agent, the newest controller and an AWS that each are a process of
// their own, all at the default quota. AWS is ended, so that its port refuses connections, and started again.
func TestAWSIsAwayInTheMiddleOfAnIngest(t *testing.T) {
	versions := controller.Versions()
	newest := &peer{version: versions[len(versions)-1]}
	newest.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), caseDeadline+*away)
	defer cancel()
	s := &site{t: t, ctx: ctx, c: newest.open(ctx, t, controller.Options{})}
	binary, err := process.Build(ctx, t.TempDir())
	must(t, err)
	aws, awsURL := startAWS(ctx, t, binary, "127.0.0.1:0")
	s.runAgent(binary, awsURL)
	s.wait(0, controller.HasChannels(target, 1))

	began, from := time.Now(), s.c.Events().Len()
	if total := s.startIngest("job"); total != apisOfAway {
		t.Fatalf("the ingest began with %d APIs", total)
	}
	first, _ := s.wait(from, controller.IsIngest)
	if n := len(first.APIIDs); n == 0 || n >= apisOfAway {
		t.Fatalf("the first INGEST has %d of %d APIs, so that this is not the middle", n, apisOfAway)
	}
	must(t, aws.Kill())
	t.Logf("AWS is away after %s", time.Since(began).Round(time.Second))
	address := awsURL[len("http://"):]
	if connection, err := net.Dial("tcp", address); err == nil {
		_ = connection.Close()
		t.Fatal("AWS still takes connections")
	}
	must(t, process.Sleep(ctx, *away))
	startAWS(ctx, t, binary, address)
	back := time.Now()

	if diff := cmp.Diff(allIDs(apisOfAway), idsOf(s.ingested("job", from))); diff != "" {
		t.Error(diff)
	}
	took := time.Since(back)
	t.Logf("the ingest ended %s after AWS was back, %s after it began", took.Round(100*time.Millisecond),
		time.Since(began).Round(time.Second))
	if took > backWithin {
		t.Errorf("the ingest ended only %s after AWS was back", took)
	}
	s.served() // whatever was sent before it has arrived
	var ends, connections int
	for _, e := range s.c.Events().All() {
		switch {
		case e.Kind == controller.EventIngest && e.Done:
			ends++
		case e.Kind == controller.EventUpgrade:
			connections++
		}
	}
	if ends != 1 || connections != 1 {
		t.Errorf("done was sent %d times, over %d connections", ends, connections)
	}
}

// startAWS starts the stand-in for AWS, in a process of its own, and gives its URL. One that is started again has the
// estate of the one before.
func startAWS(ctx context.Context, t *testing.T, binary, address string) (aws *process.Process, url string) {
	t.Helper()
	aws, err := process.Start(exec.Command(binary, "sandbox", "--apim", "127.0.0.1:0", "--aws", address, "--estate",
		"uniform", "--regions", region, "--apis", fmt.Sprint(apisOfAway), "--stages", "1", "--plans", "2"))
	must(t, err)
	t.Cleanup(func() { _ = aws.Kill() }) // the test may have ended it
	const exported = "export AWS_ENDPOINT_URL="
	line, err := aws.Await(ctx, &aws.Stdout, exported)
	must(t, err)
	if _, err := fmt.Sscanf(line, exported+"'%s", &url); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return aws, url[:len(url)-1]
}

// runAgent starts the built agent with its defaults.
func (s *site) runAgent(binary, aws string) {
	s.t.Helper()
	cmd := exec.Command(binary)
	cmd.Dir = s.t.TempDir()
	settings := settingsOf(s.c.Endpoint())
	maps.Copy(settings, map[string]string{
		"gravitee_agent_store_path":        cmd.Dir,
		"gravitee_services_core_http_port": "0",
		"AWS_ENDPOINT_URL":                 aws,
		"AWS_EC2_METADATA_DISABLED":        "true",
	})
	cmd.Env = process.Environ(settings)
	agent, err := process.Start(cmd)
	must(s.t, err)
	s.t.Cleanup(func() {
		if err := agent.End(); err != nil {
			s.t.Errorf("the agent did not end in order: %v", err)
		}
		if s.t.Failed() {
			s.t.Logf("the agent logged:\n%s%s", &agent.Stdout, &agent.Stderr)
		}
	})
}
