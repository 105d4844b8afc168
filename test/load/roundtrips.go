package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"federation-agent/internal/sandbox/apimsim"
)

// healthCheckPath asks the stand-in for round trips, measured where the controller is.
const healthCheckPath = "/rig/health-checks"

// echoBytes is about what a HEALTH_CHECK and its reply take.
const echoBytes = 150

// healthCheckRequest is the body of [healthCheckPath].
type healthCheckRequest struct {
	Integration string
	Count       int
	Every       time.Duration
	// Echo is where bytes come back, in a process that does nothing else.
	Echo string
}

// roundTrips are those of HEALTH_CHECKs, and after each one a bare one of TCP: what the machine itself takes then, to
// wake another process and be woken by it.
type roundTrips struct{ Checks, Bare []time.Duration }

func healthChecks(w http.ResponseWriter, r *http.Request, apim *apimsim.APIM) {
	var ask healthCheckRequest
	if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	took, err := makeRoundTrips(r.Context(), apim, ask)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(took) // a client that left has no use for it
}

func makeRoundTrips(ctx context.Context, apim *apimsim.APIM, ask healthCheckRequest) (roundTrips, error) {
	var took roundTrips
	echo, err := net.Dial("tcp", ask.Echo)
	if err != nil {
		return took, fmt.Errorf("connecting to the echo: %w", err)
	}
	defer echo.Close()
	ticker := time.NewTicker(ask.Every)
	defer ticker.Stop()
	buffer := make([]byte, echoBytes)
	for range ask.Count {
		began := time.Now()
		if _, err := apim.SendCommand(ctx, ask.Integration, "HEALTH_CHECK", struct{}{}); err != nil {
			return took, err
		}
		took.Checks = append(took.Checks, time.Since(began))
		began = time.Now()
		if _, err := echo.Write(buffer); err != nil {
			return took, fmt.Errorf("writing to the echo: %w", err)
		}
		if _, err := io.ReadFull(echo, buffer); err != nil {
			return took, fmt.Errorf("reading from the echo: %w", err)
		}
		took.Bare = append(took.Bare, time.Since(began))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return took, ctx.Err()
		}
	}
	return took, nil
}

// serveEcho gives back what comes, until its listener is closed.
func serveEcho() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // it was closed
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // until the other side leaves
			}()
		}
	}()
	return l, nil
}
