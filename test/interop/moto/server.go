package moto

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"federation-agent/test/process"
)

//go:embed serve.py
var serve string

// Server is a moto of its own: what one test makes, another does not see. It starts in about a second.
type Server struct {
	// URL is what AWS_ENDPOINT_URL is set to. moto tells services, regions and accounts apart by the signature's scope
	// and access key.
	URL string

	*process.Process
	stdin io.Closer
}

// Start installs moto where needed and starts it on a free port of loopback; it returns when moto listens. A Python or
// a download that cannot be had is a [missing.Error].
func Start(ctx context.Context) (*Server, error) {
	python, err := environment(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(python, "-c", serve)
	// Nothing of the caller's AWS or moto settings is to reach it.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s := &Server{stdin: stdin}
	if s.Process, err = process.Start(cmd); err != nil {
		return nil, fmt.Errorf("starting moto: %w", err)
	}
	line, err := s.Await(ctx, &s.Stderr, "Running on http://127.0.0.1:")
	if err != nil {
		_ = s.Kill() // it may have ended by itself
		return nil, fmt.Errorf("%w; moto wrote:\n%s", err, &s.Stderr)
	}
	_, address, _ := strings.Cut(line, "Running on ")
	s.URL = strings.Fields(address)[0]
	return s, nil
}

// Close ends moto.
func (s *Server) Close() error {
	_ = s.stdin.Close()
	return s.Reap()
}

// Reset empties all accounts and regions.
func (s *Server) Reset(t testing.TB) {
	t.Helper()
	s.post(t, "/moto-api/reset", "", http.Header{})
}
