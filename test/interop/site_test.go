package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/uuid"

	actors "federation-agent/actors/agent"
	"federation-agent/actors/life"
	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/members"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/status"
	"federation-agent/internal/store"
	"federation-agent/internal/store/storetest"
	"federation-agent/test/interop/controller"
	"federation-agent/test/interop/proxy"
	"federation-agent/test/process"
)

const (
	region = "eu-west-1"
	// awsScale makes AWS's quota so large that no case waits for it.
	awsScale = 1000
)

// isolateSDK keeps this machine's AWS setup from the SDK. The endpoint is a name that nobody has: each agent's own
// HTTP client leads it to the AWS of its case.
func isolateSDK(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": "http://aws.invalid", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
}

// site is what a case has: a controller, an AWS of its own, and agents.
type site struct {
	t          *testing.T
	ctx        context.Context
	c          controller.Controller
	aws        *awssim.Server
	awsAddress string
}

// uniform is an estate of so many REST APIs with one stage each, over two usage plans.
func uniform(apis int) awssim.Estate {
	return awssim.UniformEstate(awssim.UniformOptions{APIs: apis, StagesPerAPI: 1, Plans: 2})
}

// apiID is how the agent names the n-th API of a uniform estate.
func apiID(n int) string { return fmt.Sprintf("%s:%s:a%09d:dev", awssim.UniformAccount(0), region, n) }

func newSite(ctx context.Context, t *testing.T, c controller.Controller, estate awssim.Estate) *site {
	t.Helper()
	return newSiteOf(ctx, t, c, awssim.Options{Estate: estate})
}

func newSiteOf(ctx context.Context, t *testing.T, c controller.Controller, o awssim.Options) *site {
	t.Helper()
	o.Quota.Scale = awsScale
	server, err := awssim.New(o)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	serving, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(serving, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return &site{t: t, ctx: ctx, c: c, aws: server, awsAddress: listener.Addr().String()}
}

// httpClient reaches the site's AWS whatever address it is asked for.
func (s *site) httpClient() *http.Client {
	transport := &http.Transport{
		MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.awsAddress)
		},
	}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// agentOptions are an agent's; the zero value is one that the controller welcomes.
type agentOptions struct {
	// via is a proxy's address to reach the controller by.
	via string
	// node is the controller that it connects to; nil: the site's.
	node controller.Controller
	// member is it among those that share a journal; nil: alone.
	member *members.Self
	// settings are further variables, or others.
	settings map[string]string
}

// agent is one under test: the real actors over real sockets, as main starts them, but for a store without a disk,
// the least delay before each reconnect, and an HTTP client that finds the case's AWS.
type agent struct {
	*actors.Agent
	log   *process.Output
	board *status.Board
}

// settingsOf are those that every agent has: the vendor's, without any of our own.
func settingsOf(endpoint string) map[string]string {
	return map[string]string{
		"gravitee_integration_connector_ws_endpoints_0":                  endpoint,
		"gravitee_integration_connector_ws_headers_0_name":               "Authorization",
		"gravitee_integration_connector_ws_headers_0_value":              "bearer " + token,
		"gravitee_integration_providers_0_type":                          provider,
		"gravitee_integration_providers_0_integrationId":                 target,
		"gravitee_integration_providers_0_configuration_region":          region,
		"gravitee_integration_providers_0_configuration_accessKeyId":     awssim.UniformAccessKeyID(0),
		"gravitee_integration_providers_0_configuration_secretAccessKey": "not-a-secret",
	}
}

func (s *site) agent(o agentOptions) *agent {
	s.t.Helper()
	endpoint := s.c.Endpoint()
	if o.node != nil {
		endpoint = o.node.Endpoint()
	}
	if o.via != "" {
		endpoint = "http://" + o.via
	}
	settings := settingsOf(endpoint)
	settings["gravitee_agent_quota_rate"] = fmt.Sprint(awssim.AWSRate * awsScale)
	settings["gravitee_agent_quota_burst"] = fmt.Sprint(awssim.AWSBurst * awsScale)
	maps.Copy(settings, o.settings)
	cfg, _, err := config.Load(config.Sources{Environ: process.Environ(settings)})
	must(s.t, err)
	memory, _ := (&storetest.Model{}).Open(store.Options{})
	a := &agent{log: &process.Output{}, board: status.NewBoard()}
	a.Agent = actors.Start(life.Env{
		Log: slog.New(slog.NewTextHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		AWS: s.httpClient(), Now: time.Now, NewID: uuid.NewString,
		Jitter: func() float64 { return 0 },
		Keys:   memory, Ingests: memory, Listings: memory,
		Exports: store.NewMemoryExports(1 << 30), Board: a.board, Member: o.member,
	}, cfg)
	s.t.Cleanup(func() {
		a.Kill()
		if s.t.Failed() {
			s.t.Logf("the agent logged:\n%s", a.log)
		}
	})
	return a
}

// connected starts an agent and waits until it is there for commands.
func (s *site) connected(o agentOptions) *agent {
	s.t.Helper()
	a := s.agent(o)
	s.wait(0, controller.HasChannels(target, 1))
	return a
}

// proxy puts a proxy before the controller.
func (s *site) proxy(plan func(connection int) *proxy.Trigger) *proxy.Proxy {
	s.t.Helper()
	p, err := proxy.New(strings.TrimPrefix(s.c.Endpoint(), "http://"), plan)
	must(s.t, err)
	s.t.Cleanup(p.Close)
	return p
}

// wait returns the first matching event at or behind a position, and the position behind it.
func (s *site) wait(from int, matches func(controller.Event) bool) (controller.Event, int) {
	s.t.Helper()
	e, next, err := s.c.Events().Wait(s.ctx, from, matches)
	if err != nil {
		s.t.Fatal(err)
	}
	return e, next
}

// reached waits until a proxy's trigger was.
func (s *site) reached(p *proxy.Proxy) {
	s.t.Helper()
	select {
	case <-p.Reached():
	case <-s.ctx.Done():
		s.t.Fatal("the connection never came to where it was to be cut")
	}
}

// send sends a command and waits for what becomes of it.
func (s *site) send(command controller.Command) controller.Outcome {
	s.t.Helper()
	command.Target = target
	outcome, err := s.c.Send(s.ctx, command)
	must(s.t, err)
	return outcome
}

// answered is the payload of a reply that must be SUCCEEDED.
func (s *site) answered(command controller.Command) json.RawMessage {
	s.t.Helper()
	outcome := s.send(command)
	if outcome.Reply == nil || outcome.Reply.Status != "SUCCEEDED" {
		s.t.Fatalf("%s came to %+v %+v", command.Type, outcome.Reply, outcome.Failure)
	}
	return outcome.Reply.Payload
}

// goingTimeout is for a command that may be sent into a channel just as it closes: the published controllers then let
// it run into its timeout instead of failing it. It is ample for one that is answered.
const goingTimeout = 5 * time.Second

// served asks for a preview until it is answered, over connections that may still be going or coming.
func (s *site) served() []apiOnWire {
	s.t.Helper()
	for from := s.c.Events().Len(); ; {
		outcome := s.send(controller.Command{Type: previewType(s.c), Timeout: goingTimeout})
		if outcome.Reply != nil && outcome.Reply.Status == "SUCCEEDED" {
			return s.read(outcome.Reply.Payload)
		}
		if outcome.Failure == nil {
			s.t.Fatalf("a preview came to %+v", outcome.Reply)
		}
		switch outcome.Failure.Kind {
		case controller.FailureTimeout:
		// Other is a write to a socket that is not yet known to be closed.
		case controller.FailureNoChannel, controller.FailureClosed, controller.FailureOther:
			_, from = s.wait(from, func(e controller.Event) bool { return e.Kind == controller.EventChannels })
		default:
			s.t.Fatalf("a preview came to %+v", outcome.Failure)
		}
	}
}

// document is what AWS itself exports of the n-th API of a uniform estate.
func (s *site) document(n int) string {
	s.t.Helper()
	client := apigateway.NewClient(aws.Config{
		Region: region, HTTPClient: s.httpClient(), BaseEndpoint: aws.String("http://" + s.awsAddress),
		Credentials: credentials.NewStaticCredentialsProvider(awssim.UniformAccessKeyID(0), "not-a-secret", ""),
	}, apigateway.Options{})
	document, err := apigateway.Export(apigateway.WithMost(s.ctx, 64<<20), client, fmt.Sprintf("a%09d", n), "dev")
	must(s.t, err)
	return string(document)
}
