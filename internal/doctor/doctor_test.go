package doctor_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"federation-agent/internal/doctor"
	"federation-agent/internal/region"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/internal/store"
	"federation-agent/test/loopback"
)

func TestWhereAllIsGoodEachCheckSaysSoAndAWSIsAskedFourTimesForEachRegion(t *testing.T) {
	p := newPatient(t)
	results := p.results()
	account := awssim.UniformAccount(0)
	has(t, results,
		want{"connection", doctor.Good, []string{"open to 127.0.0.1:"}},
		want{"upgrade", doctor.Good, []string{"the token is accepted"}},
		want{"integration", doctor.Good, []string{demo.DefaultIntegrationID, "the token may use it"}},
		want{"APIM REST", doctor.NotTried, []string{"agent.apim.url is not set", "by a schedule"}},
		want{"credentials", doctor.Good, []string{"account " + account}},
		want{"REST APIs", doctor.Good, []string{account + ":eu-west-1", "can be listed"}},
		want{"usage plans", doctor.Good, []string{account + ":eu-west-1", "can be listed"}},
		want{"REST APIs", doctor.Good, []string{account + ":us-east-1"}},
		want{"usage plans", doctor.Good, []string{account + ":us-east-1"}},
		want{"documents", doctor.Good, []string{account + ":eu-west-1", "their documents exported"}},
		want{"keys", doctor.NotTried, []string{"only a key that is made tells", "--make-a-key"}},
		want{"keys' names", doctor.NotTried, []string{"agent.keys.lookup is off", "apigateway:GET on /apikeys"}},
		want{"domain names", doctor.NotTried, []string{"agent.discovery.customDomains is off", "ListRoutingRules on /domainnames"}},
		want{"events", doctor.NotTried, []string{"agent.events.queueUrl is not set", "sqs:DeleteMessage"}},
		want{"clock", doctor.Good, []string{"the same as AWS's"}},
		want{"store", doctor.Good, []string{"can be written", "MiB are free"}},
		want{"export cache", doctor.Good, []string{"can be written", "MiB at most"}},
		want{"node API", doctor.Good, []string{"switched off"}},
	)
	if len(results) != 19 || !doctor.Healthy(results) {
		t.Errorf("%d rows\n%s", len(results), table(t, results))
	}
	p.calls(t, map[string]int64{"GetCallerIdentity": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2})
}

func TestAPIMsFaultsAreFoundWhereTheyAre(t *testing.T) {
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = refusing.Close()
	for name, c := range map[string]struct {
		settings []string
		change   func(*demo.Options)
		examine  func(*doctor.Options, *demo.Sandbox)
		wants    []want
	}{
		"unknown name": {
			settings: []string{endpoint0 + "=http://apim.example/integration-controller"},
			examine: func(o *doctor.Options, _ *demo.Sandbox) {
				o.Dial = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.DNSError{Err: "no such host", Name: "apim.example", IsNotFound: true}
				}
			},
			wants: []want{
				{"name", doctor.Attention, []string{"http://apim.example", "no such host", "check the endpoint's host name"}},
				{"connection", doctor.NotTried, []string{"name must be ok first"}},
				{"upgrade", doctor.NotTried, []string{"name must be ok first"}},
				{"integration", doctor.NotTried, []string{"upgrade must be ok first"}},
			},
		},
		"nobody listens": {
			settings: []string{endpoint0 + "=http://localhost:" + portOf(refusing.Addr().String()) + "/"},
			wants: []want{
				{"name", doctor.Good, []string{"it has the address "}},
				{"connection", doctor.Attention, []string{"connection refused", "whether APIM runs"}},
				{"upgrade", doctor.NotTried, []string{"connection must be ok first"}},
			},
		},
		"wrong token": {
			settings: []string{"gravitee_integration_connector_ws_headers_0_value=bearer a-wrong-token"},
			wants: []want{
				{"connection", doctor.Good, nil},
				{"upgrade", doctor.Attention, []string{"401 Unauthorized", "check the token in the Authorization header"}},
				{"integration", doctor.NotTried, []string{"upgrade must be ok first"}},
			},
		},
		"unknown integration": {
			settings: []string{provider0 + "integrationId=00000000-0000-0000-0000-000000000000"},
			wants: []want{
				{"upgrade", doctor.Good, nil},
				{"integration", doctor.Attention, []string{"not found", "integrationId", "service account"}},
			},
		},
		"another provider's integration": {
			settings: []string{provider0 + "integrationId=another"},
			examine: func(_ *doctor.Options, s *demo.Sandbox) {
				s.APIM.AddIntegration(apimsim.Integration{ID: "another", Provider: "solace"})
			},
			wants: []want{{"integration", doctor.Attention, []string{"provider solace", "to an AWS API Gateway integration"}}},
		},
		"a controller that goes": {
			change: func(o *demo.Options) {
				o.Script = &apimsim.Script{Received: func(apimsim.ReceivedEvent) apimsim.ReceivedFault {
					return apimsim.ReceivedFault{CutBefore: true}
				}}
			},
			wants: []want{{"integration", doctor.Attention, []string{"ended before HELLO was answered", "check APIM's log"}}},
		},
		"one endpoint of two": {
			settings: []string{
				endpoint0 + "=http://" + refusing.Addr().String() + "/",
				"gravitee_integration_connector_ws_endpoints_1=http://%APIM%" + demo.PathPrefix,
			},
			wants: []want{
				{"connection", doctor.Attention, []string{"connection refused"}},
				{"upgrade", doctor.NotTried, nil},
				{"upgrade", doctor.Good, nil},
				{"integration", doctor.Good, nil},
			},
		},
		"a proxy that wants a password": {
			examine: func(o *doctor.Options, _ *demo.Sandbox) {
				host, port := hostPort(loopback.Listen(t, refusesCONNECT(http.StatusProxyAuthRequired)))
				through(o, host, port)
			},
			wants: []want{
				{"proxy", doctor.Attention, []string{"407", "username and password"}},
				{"upgrade", doctor.NotTried, []string{"proxy must be ok first"}},
			},
		},
		"a proxy that is away": {
			examine: func(o *doctor.Options, _ *demo.Sandbox) {
				through(o, "127.0.0.1", atoi(portOf(refusing.Addr().String())))
			},
			wants: []want{{"proxy", doctor.Attention, []string{"cannot be reached", "that the proxy runs"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.settings, p.examine, p.change = c.settings, c.examine, c.change
			has(t, p.results(), c.wants...)
		})
	}
}

func atoi(text string) int { n, _ := strconv.Atoi(text); return n }

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

func hostPort(address string) (host string, port int) {
	host, _, _ = net.SplitHostPort(address)
	return host, atoi(portOf(address))
}

// refusesCONNECT is a proxy that lets nobody through.
func refusesCONNECT(status int) func(net.Conn) {
	return func(conn net.Conn) {
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 "+strconv.Itoa(status)+" No\r\n\r\n")
		}
	}
}

func TestTLSIsJudgedByTheSessionsTrustStore(t *testing.T) {
	for name, c := range map[string]struct {
		trusts bool
		wants  []want
	}{
		"the right authority": {trusts: true, wants: []want{
			{"TLS", doctor.Good, []string{"TLS 1.3", "the certificate is valid until "}}, {"upgrade", doctor.Good, nil},
			{"integration", doctor.Good, nil},
		}},
		"a wrong one": {wants: []want{
			{"connection", doctor.Good, nil},
			{"TLS", doctor.Attention, []string{"certificate", "set integration.connector.ws.ssl.truststore"}},
			{"upgrade", doctor.NotTried, []string{"TLS must be ok first"}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			behind := &httputil.ReverseProxy{}
			balancer := httptest.NewTLSServer(behind)
			balancer.Config.ErrorLog = log.New(io.Discard, "", 0) // the handshake that fails is meant
			defer balancer.Close()
			p.settings = []string{endpoint0 + "=" + balancer.URL + demo.PathPrefix}
			p.examine = func(o *doctor.Options, s *demo.Sandbox) {
				apim, _ := url.Parse(s.APIMURL())
				behind.Rewrite = func(r *httputil.ProxyRequest) { r.SetURL(apim) }
				roots := x509.NewCertPool()
				if c.trusts {
					roots.AddCert(balancer.Certificate())
				}
				o.TLS = func() *tls.Config { return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12} }
			}
			has(t, p.results(), c.wants...)
		})
	}
}

// policy allows everything, but for one operation.
func policy(action, resource string) *awssim.Policy {
	all := awssim.AllowAll()
	all.Statement = append(all.Statement, awssim.Statement{
		Effect: awssim.EffectDeny, Action: awssim.Strings{action}, Resource: awssim.Strings{resource},
	})
	return all
}

func TestAWSsFaultsAreFoundWhereTheyAre(t *testing.T) {
	role := awssim.RoleARN(awssim.UniformEstate(awssim.UniformOptions{}).Accounts[0], "agent-of-another-name")
	for name, c := range map[string]struct {
		settings []string
		change   func(*awssim.Account)
		wants    []want
		calls    map[string]int64
	}{
		"keys may not be looked for": {
			settings: []string{"gravitee_agent_keys_lookup=true"},
			wants: []want{
				{"keys' names", doctor.Attention, []string{"eu-west-1", "apigateway:GET on arn:aws:apigateway:eu-west-1::/apikeys"}},
				{"keys' names", doctor.Attention, []string{"us-east-1", "access denied", "agent.keys.lookup is optional", "policy --of permissions"}},
			},
			calls: map[string]int64{"GetCallerIdentity": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2, "GetApiKeys": 2},
		},
		"keys may be looked for": {
			settings: []string{"gravitee_agent_keys_lookup=true"},
			change:   func(a *awssim.Account) { a.Principals[0].Policy = awssim.AllowAll() },
			wants:    []want{{"keys' names", doctor.Good, []string{"us-east-1", "can be listed"}}},
			calls:    map[string]int64{"GetCallerIdentity": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2, "GetApiKeys": 2},
		},
		"custom domain names may not be listed": {
			settings: []string{"gravitee_agent_discovery_customDomains=true"},
			wants: []want{
				{"domain names", doctor.Attention, []string{"eu-west-1", "apigateway:GET on arn:aws:apigateway:eu-west-1::/domainnames"}},
				{"domain names", doctor.Attention, []string{"us-east-1", "access denied", "agent.discovery.customDomains is optional"}},
			},
			calls: map[string]int64{
				"GetCallerIdentity": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2, "GetDomainNames": 2,
			},
		},
		"custom domain names may be listed": {
			settings: []string{"gravitee_agent_discovery_customDomains=true"},
			change:   func(a *awssim.Account) { a.Principals[0].Policy = awssim.AllowAll() },
			wants:    []want{{"domain names", doctor.Good, []string{"us-east-1", "can be listed"}}},
			calls: map[string]int64{
				"GetCallerIdentity": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2, "GetDomainNames": 2,
				"GetBasePathMappings": 2, "GetApiMappings": 2, "ListRoutingRules": 2,
			},
		},
		"custom domain names may be listed, and only in one region what leads from them": {
			settings: []string{"gravitee_agent_discovery_customDomains=true"},
			change: func(a *awssim.Account) {
				p := policy("apigateway:GET", "arn:aws:apigateway:eu-west-1::/domainnames/*")
				p.Statement = append(p.Statement, policy("apigateway:ListRoutingRules", "arn:aws:apigateway:us-east-1:*").Statement...)
				a.Principals[0].Policy = p
			},
			wants: []want{
				{"domain names", doctor.Attention, []string{"eu-west-1", "apigateway:GET on arn:aws:apigateway:eu-west-1::/domainnames/"}},
				{"domain names", doctor.Attention, []string{"us-east-1", "apigateway:ListRoutingRules on arn:aws:apigateway:us-east-1:"}},
			},
			calls: map[string]int64{
				"GetCallerIdentity": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2, "GetDomainNames": 2,
				"GetBasePathMappings": 2, "GetApiMappings": 1, "ListRoutingRules": 1,
			},
		},
		"wrong access key": {
			settings: []string{provider0 + "configuration_accessKeyId=AKIAIOSFODNN7EXAMPLE"},
			wants: []want{
				{"credentials", doctor.Attention, []string{"bad credentials", "check accessKeyId and secretAccessKey"}},
				{"REST APIs", doctor.NotTried, []string{"eu-west-1", "credentials must be ok first"}},
				{"usage plans", doctor.NotTried, []string{"us-east-1", "credentials must be ok first"}},
			},
			calls: map[string]int64{"GetCallerIdentity": 2}, // STS of each region may know it
		},
		"a role that cannot be assumed": {
			settings: []string{provider0 + "configuration_roleArn=" + role},
			wants: []want{
				{"credentials", doctor.Good, nil},
				{"role", doctor.Attention, []string{role, "access denied", "AWS refuses to let the agent assume this role; check, in this order: configuration.roleArn"}},
				{"REST APIs", doctor.NotTried, []string{"role must be ok first"}},
			},
			calls: map[string]int64{"GetCallerIdentity": 1, "AssumeRole": 1},
		},
		"a list that is denied": {
			change: func(a *awssim.Account) {
				a.Principals[0].Policy = policy("apigateway:GET", "arn:aws:apigateway:eu-west-1::/usageplans")
			},
			wants: []want{
				{"REST APIs", doctor.Good, []string{"eu-west-1"}},
				{"usage plans", doctor.Attention, []string{
					"eu-west-1", "access denied",
					"a Deny in an identity-based policy forbids apigateway:GET on arn:aws:apigateway:eu-west-1::/usageplans",
				}},
				{"usage plans", doctor.Good, []string{"us-east-1"}},
			},
			calls: map[string]int64{"GetCallerIdentity": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2},
		},
		"a region that is off": {
			change: func(a *awssim.Account) {
				a.Regions = append(a.Regions, awssim.Region{Name: "ap-east-1", Disabled: true})
			},
			settings: []string{provider0 + "configuration_region=eu-west-1,ap-east-1"},
			wants: []want{
				{"REST APIs", doctor.Good, []string{"eu-west-1"}},
				{"REST APIs", doctor.Attention, []string{"ap-east-1", "enable the region for the account"}},
				{"usage plans", doctor.NotTried, []string{"ap-east-1", "REST APIs must be ok first"}},
			},
			calls: map[string]int64{"GetCallerIdentity": 1, "GetRestApis": 2, "GetUsagePlans": 1, "GetStages": 1, "GetExport": 1},
		},
		"every region, without the grant": {
			change:   onlyTwo,
			settings: []string{provider0 + "configuration_region=all"},
			wants: []want{
				{"regions", doctor.Good, []string{"2 of 36 are on", "account:ListRegions, which is optional, is not granted"}},
				{"REST APIs", doctor.Good, []string{"eu-west-1"}},
				{"REST APIs", doctor.Good, []string{"us-east-1"}},
			},
			calls: map[string]int64{
				"GetCallerIdentity": 1, "ListRegions": 1, "GetRestApis": 36, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2,
			},
		},
		"every region, with the grant": {
			change: func(a *awssim.Account) {
				onlyTwo(a)
				a.Principals[0].Policy = awssim.AllowAll()
			},
			settings: []string{provider0 + "configuration_region=all"},
			wants: []want{
				{"regions", doctor.Good, []string{"2 of 36 are on"}},
				{"REST APIs", doctor.Good, []string{"eu-west-1"}},
			},
			calls: map[string]int64{
				"GetCallerIdentity": 1, "ListRegions": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2,
			},
		},
		"every region, all of them on": {
			settings: []string{provider0 + "configuration_region=all"},
			wants:    []want{{"regions", doctor.Good, []string{"all 36 are on"}}},
			calls: map[string]int64{
				"GetCallerIdentity": 1, "ListRegions": 1, "GetRestApis": 36, "GetUsagePlans": 36, "GetStages": 36, "GetExport": 36,
			},
		},
		"AWS that throttles": {
			change: func(a *awssim.Account) { a.Regions = a.Regions[:1] },
			wants: []want{
				{"REST APIs", doctor.Attention, []string{"throttled", "other clients use the same quota"}},
				{"usage plans", doctor.NotTried, nil},
			},
			calls: map[string]int64{"GetCallerIdentity": 1, "GetRestApis": 1}, // tried once
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.settings = c.settings
			if c.change != nil {
				c.change(&p.estate.Accounts[0])
			}
			if strings.Contains(name, "throttles") {
				p.examine = func(_ *doctor.Options, s *demo.Sandbox) {
					s.AWS.Script().Add(awssim.Rule{
						Operation: "GetRestApis", Fault: awssim.Answer(429, "TooManyRequestsException", "Too Many Requests"),
					})
				}
			}
			has(t, p.results(), c.wants...)
			p.calls(t, c.calls)
		})
	}
}

func TestARoleIsAssumedOnceForAllItsRegions(t *testing.T) {
	p := newPatient(t)
	role := awssim.RoleARN(p.estate.Accounts[0], p.estate.Accounts[0].Roles[0].Name)
	p.settings = []string{provider0 + "configuration_roleArn=" + role}
	has(t, p.results(), want{"role", doctor.Good, []string{role, "can be assumed"}}, want{"REST APIs", doctor.Good, nil})
	p.calls(t, map[string]int64{"GetCallerIdentity": 1, "AssumeRole": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2})
}

func TestTwoRolesOfOneAccountAreToldApart(t *testing.T) {
	p := newPatient(t)
	account := &p.estate.Accounts[0]
	account.Roles = append(account.Roles, awssim.Role{Name: "second", Policy: policy("apigateway:GET", "*/restapis")})
	p.settings = []string{
		provider0 + "configuration_accounts_0_regions=eu-west-1",
		provider0 + "configuration_accounts_1_roleArn=" + awssim.RoleARN(*account, "second"),
		provider0 + "configuration_accounts_1_regions=eu-west-1,us-east-1",
	}
	has(t, p.results(),
		want{"REST APIs", doctor.Good, []string{account.ID + ":eu-west-1 by the credentials' own identity"}},
		want{"REST APIs", doctor.Attention, []string{account.ID + ":eu-west-1 by second", "access denied"}},
		want{"REST APIs", doctor.Attention, []string{account.ID + ":us-east-1 "}}, // only one reads it
	)
}

func TestWithoutSTSAnAccountThatIsNamedIsEnough(t *testing.T) {
	const named = "999988887777"
	for setting, wanted := range map[string]want{
		"":                                      {"credentials", doctor.Attention, []string{"AWS STS did not answer"}},
		"gravitee_agent_aws_accountId=" + named: {"credentials", doctor.Good, []string{named, "STS does not answer"}},
	} {
		p := newPatient(t)
		if p.settings = nil; setting != "" {
			p.settings = []string{setting}
		}
		t.Setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
		t.Setenv("AWS_MAX_ATTEMPTS", "1") // the SDK's own
		has(t, p.results(), wanted)
	}
}

func TestAClockThatIsOffIsNamedWithTheDirection(t *testing.T) {
	for off, words := range map[time.Duration]string{10 * time.Minute: "ahead of AWS's", -time.Hour: "behind AWS's"} {
		p := newPatient(t)
		p.examine = func(o *doctor.Options, _ *demo.Sandbox) {
			o.Now = func() time.Time { return time.Now().Add(off) }
		}
		has(t, p.results(), want{"clock", doctor.Attention, []string{"this machine's clock is ", words, "set the clock"}})
	}
}

func TestAKeyIsMadeOnlyWhereItIsAskedForAndIsGoneAgain(t *testing.T) {
	p := newPatient(t)
	p.examine = func(o *doctor.Options, _ *demo.Sandbox) { o.MakeAKey = true }
	has(t, p.results(),
		want{"keys", doctor.Good, []string{"eu-west-1", "a key was made, might be attached, and was deleted"}},
		want{"keys", doctor.Good, []string{"us-east-1"}})
	p.calls(t, map[string]int64{
		"GetCallerIdentity": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2,
		"CreateApiKey": 2, "CreateUsagePlanKey": 2, "DeleteApiKey": 2,
	})
	if left := p.sandbox.AWS.Keys(); len(left) > 0 {
		t.Errorf("keys are left: %v", left)
	}
}

func TestWhatOfKeysIsDeniedIsNamedAndAKeyThatIsLeftToo(t *testing.T) {
	const of = "arn:aws:apigateway:eu-west-1::"
	for name, c := range map[string]struct {
		action, resource string
		words            []string
		left             int
	}{
		"create": {"apigateway:POST", of + "/apikeys", []string{"creating an API key", "POST on " + of + "/apikeys"}, 0},
		"attach": {
			"apigateway:POST", of + "/usageplans/*/keys",
			[]string{"attaching API key", "apigateway:POST on " + of + "/usageplans/*/keys"}, 0,
		},
		"delete": {
			"apigateway:DELETE", of + "/apikeys/*",
			[]string{"deleting API key", "apigateway:DELETE on ", "federation-agent-doctor-", "is left in AWS"}, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.estate.Accounts[0].Principals[0].Policy = policy(c.action, c.resource)
			p.examine = func(o *doctor.Options, _ *demo.Sandbox) { o.MakeAKey = true }
			has(t, p.results(), want{"keys", doctor.Attention, c.words}, want{"keys", doctor.Good, []string{"us-east-1"}})
			if left := p.sandbox.AWS.Keys(); len(left) != c.left {
				t.Errorf("%d keys are left, want %d", len(left), c.left)
			}
		})
	}
}

func TestAKeyWhoseAnswerIsLostIsNamed(t *testing.T) {
	p := newPatient(t)
	p.settings = []string{provider0 + "configuration_region=eu-west-1"}
	p.examine = func(o *doctor.Options, s *demo.Sandbox) {
		o.MakeAKey, o.NewID = true, func() string { return "17" }
		s.AWS.Script().Add(awssim.Rule{Operation: "CreateApiKey", Fault: awssim.Fault{Kind: awssim.FaultLoseAnswer}})
	}
	has(t, p.results(), want{
		"keys", doctor.Attention, []string{"answer lost", "a key named federation-agent-doctor-17 may be left"},
	})
}

func TestTheStoreIsTriedAndLeftAsItWas(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string) // may use it, too
		volume  store.Volume
		want    want
	}{
		"full": {
			volume: volume{syscall.ENOSPC},
			want:   want{"store", doctor.Attention, []string{"the disk is full", "make room"}},
		},
		"read-only": {
			volume: volume{syscall.EROFS},
			want:   want{"store", doctor.Attention, []string{"cannot be written", "mount a volume"}},
		},
		"small": {
			volume: volume{}, want: want{"store", doctor.Attention, []string{"1 MiB are free", "make room"}},
		},
		"of an agent that runs": {
			prepare: func(t *testing.T, dir string) {
				running, health := store.Open(dir, store.Options{})
				if !health.Durable {
					t.Fatal(health.Messages)
				}
				t.Cleanup(func() {
					if err := running.Close(); err != nil || !running.Health().Durable {
						t.Error(err, running.Health())
					}
				})
			},
			want: want{"store", doctor.Good, []string{"can be written", "an agent uses it at this moment"}},
		},
		"of a newer version": {
			prepare: func(t *testing.T, dir string) {
				journal := []byte("federation-agent journal, schema 7, 000000000000 lines\n")
				if err := os.WriteFile(filepath.Join(dir, store.FileName), journal, 0o600); err != nil {
					t.Fatal(err)
				}
			},
			want: want{"store", doctor.Attention, []string{"newer version", "start the version of the agent that wrote it"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			dir := t.TempDir()
			if c.prepare != nil {
				c.prepare(t, dir)
			}
			before := content(t, dir)
			p.settings = []string{"gravitee_agent_store_path=" + dir}
			p.examine = func(o *doctor.Options, _ *demo.Sandbox) { o.Volume = c.volume }
			has(t, p.results(), c.want)
			if after := content(t, dir); !slices.Equal(before, after) {
				t.Errorf("the directory has %q, and had %q", after, before)
			}
		})
	}
}

func TestTheExportCacheIsTriedWhereItIsOfItsOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		settings []string
		volume   store.Volume
		wants    []want
	}{
		"off": {
			settings: []string{"gravitee_agent_cache_maxBytes=0"},
			wants:    []want{{"export cache", doctor.Good, []string{"switched off"}}},
		},
		"no directory": {
			settings: []string{"gravitee_agent_cache_path=" + file},
			wants: []want{
				{"store", doctor.Good, nil},
				{"export cache", doctor.Attention, []string{
					file, "cannot be written", "set agent.cache.path", "agent.cache.maxBytes to 0",
				}},
			},
		},
		"in a store that is full": {
			volume: volume{syscall.ENOSPC},
			wants: []want{
				{"store", doctor.Attention, []string{"make room"}}, {"export cache", doctor.NotTried, []string{"store must be ok"}},
			},
		},
		"elsewhere, and full": {
			settings: []string{"gravitee_agent_cache_path=" + t.TempDir()}, volume: volume{syscall.ENOSPC},
			wants: []want{
				{"store", doctor.Attention, nil},
				{"export cache", doctor.Attention, []string{"the disk is full", "volume of agent.cache.path"}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.settings = c.settings
			p.examine = func(o *doctor.Options, _ *demo.Sandbox) { o.Volume = c.volume }
			has(t, p.results(), c.wants...)
		})
	}
}

func TestAStageFilterIsJudgedByUsagePlansAsFarAsTheyCanBeListed(t *testing.T) {
	for name, c := range map[string]struct {
		settings []string
		denied   bool
		want     want
	}{
		"good": {
			settings: []string{provider0 + "configuration_0_stage=dev"},
			want:     want{"stage filter", doctor.Good, []string{"each of its stages is in a usage plan"}},
		},
		"perhaps outside of usage plans": {
			settings: []string{
				provider0 + "configuration_0_stage=other", provider0 + "configuration_acceptApiWithoutUsagePlan=true",
			},
			want: want{"stage filter", doctor.NotTried, []string{"the stage other", "federation-agent discover shows"}},
		},
		"perhaps where nothing can be listed": {
			settings: []string{provider0 + "configuration_0_stage=other"}, denied: true,
			want: want{"stage filter", doctor.NotTried, []string{"usage plans must be ok first"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.settings = c.settings
			if c.denied {
				p.estate.Accounts[0].Principals[0].Policy = policy("apigateway:GET", "arn:aws:apigateway:eu-west-1::/usageplans")
			}
			results := slices.DeleteFunc(p.results(), func(r doctor.Result) bool { return r.Check == "usage plans" })
			has(t, results, c.want)
			p.calls(t, map[string]int64{
				"GetCallerIdentity": 1, "GetRestApis": 2, "GetUsagePlans": 2, "GetStages": 2, "GetExport": 2,
			})
		})
	}
}

func content(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAStoreThatIsNotThereYetIsTriedInTheDirectoryAbove(t *testing.T) {
	p := newPatient(t)
	above := t.TempDir()
	p.settings = []string{"gravitee_agent_store_path=" + filepath.Join(above, "new", "data")}
	has(t, p.results(), want{"store", doctor.Good, nil})
	if left := content(t, above); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	file := filepath.Join(above, "a file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p = newPatient(t)
	p.settings = []string{"gravitee_agent_store_path=" + file}
	has(t, p.results(), want{"store", doctor.Attention, []string{"not a directory", "check agent.store.path"}})
}

func TestThePortIsFreeOrAnAgentsOrSomebodyElses(t *testing.T) {
	taken := errors.New("bind: address already in use")
	for name, c := range map[string]struct {
		ask, listen error
		want        want
	}{
		"free": {
			ask: syscall.ECONNREFUSED, want: want{"node API", doctor.Good, []string{":18084", "the port is free"}},
		},
		"an agent's": {listen: taken, want: want{"node API", doctor.Good, []string{"an agent serves it"}}},
		"another program's": {
			ask: errors.New("no"), listen: taken,
			want: want{"node API", doctor.Attention, []string{"address already in use", "choose another port"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t)
			p.settings = []string{"gravitee_services_core_http_enabled=true"}
			p.examine = func(o *doctor.Options, _ *demo.Sandbox) {
				o.AskNode = func(context.Context) error { return c.ask }
				o.Listen = func() error { return c.listen }
			}
			has(t, p.results(), c.want)
		})
	}
}

// The doctor's HELLO never makes it one of an integration's agents: APIM would send it commands.
func TestTheDoctorIsNoAgentToAPIM(t *testing.T) {
	p := newPatient(t)
	results := p.results()
	if !doctor.Healthy(results) {
		t.Error(table(t, results))
	}
	if agents := p.sandbox.APIM.Agents(); len(agents) > 0 {
		t.Errorf("agents: %+v", agents)
	}
	if sent := p.sandbox.APIM.Commands(); len(sent) > 0 {
		t.Errorf("commands: %+v", sent)
	}
	if problems := p.sandbox.APIM.Problems(); len(problems) > 0 {
		t.Errorf("problems: %+v", problems)
	}
}

func TestTheTableHas120ColumnsAndNoColourUnlessItIsAskedFor(t *testing.T) {
	results := []doctor.Result{
		{Check: "name", About: "https://apim.example.com", Verdict: doctor.Good, Text: "it has the address 10.0.0.1"},
		{
			Check: "role", About: "arn:aws:iam::123456789012:role/name", Verdict: doctor.Attention,
			Text: strings.Repeat("what happened ", 8), Remedy: strings.Repeat("what to do ", 9),
		},
		{Check: "keys", Verdict: doctor.NotTried, Text: "only a key tells"},
	}
	var plain, coloured strings.Builder
	err := errors.Join(doctor.PrintTable(&plain, results, doctor.Look{Wrapped: true}),
		doctor.PrintTable(&coloured, results, doctor.Look{Wrapped: true, Coloured: true}))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(plain.String()) {
		if len([]rune(line)) > 121 || strings.TrimRight(line, " \n")+"\n" != line {
			t.Errorf("%q", line)
		}
	}
	if strings.Contains(plain.String(), "\x1b") || strings.Count(coloured.String(), "\x1b[0m") != 3 {
		t.Errorf("%q\n%q", plain.String(), coloured.String())
	}
	if !strings.HasSuffix(plain.String(), "\n\n1 ok, 1 need attention, 1 not tried\n") ||
		!strings.HasPrefix(plain.String(), "CHECK ") {
		t.Error(plain.String())
	}
	var printed strings.Builder
	if err := doctor.PrintJSON(&printed, results); err != nil {
		t.Fatal(err)
	}
	var read struct {
		Healthy bool
		Checks  []map[string]string
	}
	if err := json.Unmarshal([]byte(printed.String()), &read); err != nil || read.Healthy || len(read.Checks) != 3 ||
		read.Checks[1]["verdict"] != "attention" || read.Checks[1]["remedy"] == "" || read.Checks[0]["result"] == "" {
		t.Errorf("%v\n%s", err, printed.String())
	}
}

// Whoever copies an ARN or a setting must not have to put it together.
func TestTheTableBreaksNoWord(t *testing.T) {
	arn := "arn:aws:apigateway:eu-west-1::/domainnames/" + strings.Repeat("long", 12)
	results := []doctor.Result{{
		Check: "role", About: arn, Verdict: doctor.Attention, Text: "refused: " + arn, Remedy: "check, in this order: " + arn,
	}}
	for name, c := range map[string]struct {
		look  doctor.Look
		lines int // the heading, the row, an empty one, and the sum
	}{"on a terminal": {doctor.Look{Wrapped: true}, 5}, "elsewhere": {doctor.Look{}, 4}} {
		var out strings.Builder
		if err := doctor.PrintTable(&out, results, c.look); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(out.String(), "\n"); strings.Count(out.String(), arn) != 3 || n != c.lines {
			t.Errorf("%s: %d lines\n%s", name, n, out.String())
		}
	}
}

// onlyTwo switches every region off that the estate does not have.
func onlyTwo(a *awssim.Account) {
	for _, name := range region.Named("aws").Regions() {
		if !slices.ContainsFunc(a.Regions, func(r awssim.Region) bool { return r.Name == name }) {
			a.Regions = append(a.Regions, awssim.Region{Name: name, Disabled: true})
		}
	}
}
