package moto

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"
)

// closeGrace is how long moto may take to end once its standard input is closed; it ends without ado, so this is ample.
const closeGrace = 10 * time.Second

//go:embed serve.py
var serve string

// Server is a moto of its own: what one test makes, another does not see. It starts in about a second.
type Server struct {
	// URL is what AWS_ENDPOINT_URL is set to. moto tells services, regions and accounts apart by the signature's scope
	// and access key.
	URL string

	cmd   *exec.Cmd
	stdin io.Closer
	ended chan error
}

// Start installs moto where needed and starts it on a free port of loopback; it returns when moto listens. What moto
// logs goes to logs. A Python or a download that cannot be had is a [missing.Error].
func Start(ctx context.Context, logs io.Writer) (*Server, error) {
	python, err := environment(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(python, "-c", serve)
	// Nothing of the caller's AWS or moto settings is to reach it.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.WaitDelay = closeGrace
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting moto: %w", err)
	}
	s := &Server{cmd: cmd, stdin: stdin, ended: make(chan error, 1)}
	address := make(chan string, 1)
	go s.read(stderr, address, logs)
	select {
	case s.URL = <-address:
		return s, nil
	case err := <-s.ended:
		return nil, fmt.Errorf("moto ended before it listened: %w", errors.Join(err, io.ErrUnexpectedEOF))
	case <-ctx.Done():
		_ = s.Close()
		return nil, fmt.Errorf("waiting for moto to listen: %w", ctx.Err())
	}
}

// read passes moto's log on, and finds in it where moto listens.
func (s *Server) read(stderr io.Reader, address chan<- string, logs io.Writer) {
	running := regexp.MustCompile(`Running on (http://127\.0\.0\.1:\d+)`)
	found := false
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if at := running.FindSubmatch(lines.Bytes()); at != nil && !found {
			found = true
			address <- string(at[1])
		}
		fmt.Fprintf(logs, "%s\n", lines.Bytes())
	}
	_, _ = io.Copy(io.Discard, stderr) // a line too long must not hold moto up
	s.ended <- s.cmd.Wait()
}

// Close ends moto.
func (s *Server) Close() error {
	_ = s.stdin.Close()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(closeGrace):
		_ = s.cmd.Process.Kill()
		<-s.ended
		return errors.New("moto did not end by itself")
	}
}

// Reset empties all accounts and regions.
func (s *Server) Reset(t testing.TB) {
	t.Helper()
	s.post(t, "/moto-api/reset", "", http.Header{})
}
