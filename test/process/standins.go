package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// StandIns is a process that serves stand-ins by [ServeStandIns].
type StandIns struct {
	*Process
	end func() error
}

// StartStandIns starts a program that calls [ServeStandIns], gives it a spec, and reads into urls where it serves what.
func StartStandIns(ctx context.Context, cmd *exec.Cmd, spec, urls any) (*StandIns, error) {
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s := &StandIns{end: in.Close}
	if s.Process, err = Start(cmd); err != nil {
		return nil, err
	}
	if err := json.NewEncoder(in).Encode(spec); err != nil {
		return nil, fmt.Errorf("configuring the stand-ins: %w", errors.Join(err, s.Kill()))
	}
	line, err := s.Await(ctx, &s.Stdout)
	if err == nil {
		err = json.Unmarshal([]byte(line), urls)
	}
	if err != nil {
		return nil, fmt.Errorf("starting the stand-ins: %w", errors.Join(err, s.Kill()))
	}
	return s, nil
}

// Close ends them.
func (s *StandIns) Close() {
	_ = s.end() // they end with their input
	_ = s.Reap()
}

// ServeStandIns reads a spec, makes the stand-ins by it, writes the URL of each by its name, and serves until its input
// ends: with whoever started it.
func ServeStandIns[Spec any](
	in io.Reader, out io.Writer, standIns func(Spec) (map[string]http.Handler, error),
) error {
	input := json.NewDecoder(in)
	var spec Spec
	if err := input.Decode(&spec); err != nil {
		return fmt.Errorf("reading the stand-ins' spec: %w", err)
	}
	all, err := standIns(spec)
	if err != nil {
		return err
	}
	urls := map[string]string{}
	for name, handler := range all {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		urls[name] = "http://" + l.Addr().String()
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
		go func() {
			if err := server.Serve(l); err != nil {
				fmt.Fprintln(os.Stderr, "a stand-in:", err)
			}
		}()
	}
	if err := json.NewEncoder(out).Encode(urls); err != nil {
		return err
	}
	var nothing any
	if err := input.Decode(&nothing); !errors.Is(err, io.EOF) {
		return fmt.Errorf("waiting for the end: %w", err)
	}
	return nil
}
