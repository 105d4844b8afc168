package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
)

const (
	// PathPrefix is how APIM's controller is usually reached from outside.
	PathPrefix = "/integration-controller"
	// DefaultToken is what a sandbox asks for unless told otherwise. It opens nothing but the stand-in.
	DefaultToken = "sandbox-token"
	// AdministratorToken is what APIM's REST API lets do everything, also with APIs of another integration.
	AdministratorToken = "sandbox-administrator"
	// DefaultIntegrationID is the one integration that the stand-in for APIM knows at first.
	DefaultIntegrationID = "7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12"
	// DefaultSeed makes the same estate, ids and latencies in each run.
	DefaultSeed = 1
)

// Options make a [Sandbox].
type Options struct {
	// APIMAddress and AWSAddress are host:port to listen on; port 0 takes a free one.
	APIMAddress string
	AWSAddress  string
	Estate      awssim.Estate
	// Version is APIM's minor version; empty means the stand-in's default. "4.4" speaks the old dialect.
	Version       string
	Token         string
	IntegrationID string
	Quota         awssim.Quota
	Latency       awssim.Latency
	// Readable are the readable names of environments, as [apimsim.Options] has them.
	Readable map[string]string
	// Script injects faults into APIM; nil injects none.
	Script *apimsim.Script
	// Log takes what an operator of APIM would read; nil discards it.
	Log *slog.Logger
}

// Sandbox is both stand-ins, listening.
type Sandbox struct {
	APIM *apimsim.APIM
	AWS  *awssim.Server

	options Options
	apimURL string
	awsURL  string
	bell    *bell
	stop    context.CancelFunc
	serving sync.WaitGroup
	awsErr  error
}

// Start starts both stand-ins. Errors: a faulty estate, an unknown version, an address that cannot be had.
func Start(o Options) (*Sandbox, error) {
	if o.Token == "" {
		o.Token = DefaultToken
	}
	if o.IntegrationID == "" {
		o.IntegrationID = DefaultIntegrationID
	}
	s := &Sandbox{options: o, bell: newBell()}
	var err error
	if s.AWS, err = awssim.New(awssim.Options{
		Estate: o.Estate, Seed: DefaultSeed, Quota: o.Quota, Latency: o.Latency,
		Observe: func(awssim.Call) { s.bell.ring() },
	}); err != nil {
		return nil, err
	}
	if s.APIM, err = apimsim.New(apimsim.Options{
		Version: o.Version, PathPrefix: PathPrefix, Script: o.Script, Log: o.Log,
		Readable: o.Readable,
		Accounts: map[string]apimsim.Account{
			o.Token: {Owns: []string{o.IntegrationID}}, AdministratorToken: {Admin: true},
		},
		Integrations: []apimsim.Integration{{ID: o.IntegrationID, Name: "AWS API Gateway"}},
		OnMessage:    func(apimsim.Message) { s.bell.ring() },
		Call:         s.call,
	}); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func listen(address string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(context.Background(), "tcp", address)
}

func (s *Sandbox) listen() error {
	apim, err := listen(s.options.APIMAddress)
	if err != nil {
		return fmt.Errorf("the APIM stand-in cannot listen: %w; --apim takes another address, with port 0 a free one", err)
	}
	aws, err := listen(s.options.AWSAddress)
	if err != nil {
		_ = apim.Close() // nobody came yet
		return fmt.Errorf("the AWS stand-in cannot listen: %w; --aws takes another address, with port 0 a free one", err)
	}
	s.apimURL, s.awsURL = "http://"+reachable(apim.Addr()), "http://"+reachable(aws.Addr())
	if err := s.APIM.Serve(apim); err != nil {
		return errors.Join(err, aws.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.serving.Go(func() { s.awsErr = s.AWS.Serve(ctx, aws) })
	return nil
}

// reachable is where a client on this machine finds a listener.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return a.String()
}

// Close ends both and waits for them.
func (s *Sandbox) Close() error {
	s.APIM.Close()
	err := s.AWS.Close()
	if s.stop != nil {
		s.stop()
	}
	s.serving.Wait()
	return errors.Join(err, s.awsErr)
}

// APIMURL is the APIM stand-in's page; its management surface is below it.
func (s *Sandbox) APIMURL() string { return s.apimURL }

// AWSURL is the endpoint of the AWS stand-in.
func (s *Sandbox) AWSURL() string { return s.awsURL }

// Await waits until something is so; it is looked at whenever a message or a call has passed. Errors: the
// context's.
func (s *Sandbox) Await(ctx context.Context, so func() bool) error { return s.bell.until(ctx, so) }
