package apigateway

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"federation-agent/internal/gateway"
	"federation-agent/internal/secret"
)

// quiet hides this machine's own AWS configuration from a test.
func quiet(t *testing.T) {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "",
		"AWS_ACCESS_KEY_ID":                      "",
		"AWS_SECRET_ACCESS_KEY":                  "",
		"AWS_SESSION_TOKEN":                      "",
		"AWS_ENDPOINT_URL":                       "",
		"AWS_REGION":                             "",
		"AWS_WEB_IDENTITY_TOKEN_FILE":            "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI":     "",
		"AWS_CA_BUNDLE":                          "",
		"AWS_SDK_UA_APP_ID":                      "",
		"AWS_MAX_ATTEMPTS":                       "",
	} {
		t.Setenv(name, value)
	}
}

// stsAnswer answers AssumeRole and GetCallerIdentity in its query protocol, and API Gateway's listings.
func stsAnswer(disabled ...string) func(int, *http.Request) (*http.Response, error) {
	return func(n int, r *http.Request) (*http.Response, error) {
		for _, region := range disabled {
			if strings.Contains(r.Header.Get("Authorization"), "/"+region+"/") {
				return stsFault(403, "InvalidClientTokenId", "The security token included in the request is invalid.")(r)
			}
		}
		if r.Method == http.MethodGet {
			return noAPIs(r)
		}
		return response(r, 200, http.Header{"Content-Type": {"text/xml"}}, fmt.Sprintf(`<R><AssumeRoleResult><Credentials>
			<AccessKeyId>ASIA%d</AccessKeyId><SecretAccessKey>assumed-the-secret</SecretAccessKey>
			<SessionToken>token</SessionToken>
			<Expiration>%s</Expiration></Credentials></AssumeRoleResult>
			<GetCallerIdentityResult><Account>123456789012</Account></GetCallerIdentityResult></R>`,
			n, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))), nil
	}
}

func stsFault(status int, code, message string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return response(r, status, nil, fmt.Sprintf(
			"<ErrorResponse><Error><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>", code, message,
		)), nil
	}
}

// stsForms are the forms of the STS requests that were sent.
func stsForms(t *testing.T, w *wire) []url.Values {
	t.Helper()
	var out []url.Values
	for _, r := range w.requests() {
		if r.request.Method != http.MethodPost {
			continue
		}
		form, err := url.ParseQuery(r.body)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, form)
	}
	return out
}

func newCredentials(t *testing.T, w *wire, o CredentialsOptions) *Credentials {
	t.Helper()
	o.HTTPClient = w
	if o.AccessKeyID.IsZero() {
		o.AccessKeyID, o.SecretAccessKey = secret.New("AKIDEXAMPLE"), secret.New("the-secret")
	}
	c, err := NewCredentials(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const role = "arn:aws:iam::210987654321:role/federation"

func TestARoleIsAssumedOnceForAllRegionsAndAgainBeforeItExpires(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: stsAnswer()}
		permits := &counter{}
		c := newCredentials(t, w, CredentialsOptions{
			Regions: []string{"eu-west-1", "us-east-1", "ap-south-1"}, RoleSessionName: "me",
			External: map[string]ExternalID{role: {ID: "shared-id"}},
		})
		var wg sync.WaitGroup
		for _, region := range []string{"eu-west-1", "us-east-1", "ap-south-1"} {
			client := NewClient(c.Config(region, role), Options{Permits: permits, Jitter: half})
			for range 5 {
				wg.Go(func() {
					if _, err := ListRESTAPIs(t.Context(), client); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		forms := stsForms(t, w)
		if len(forms) != 1 {
			t.Fatalf("%d AssumeRole calls, want 1", len(forms))
		}
		for field, want := range map[string]string{
			"Action":          "AssumeRole",
			"RoleArn":         role,
			"RoleSessionName": "me",
			"DurationSeconds": "3600",
			"ExternalId":      "shared-id",
		} {
			if got := forms[0].Get(field); got != want {
				t.Errorf("%s = %q, want %q", field, got, want)
			}
		}
		if len(permits.requests) != 15 {
			t.Errorf("%d permits for 15 API Gateway calls: STS takes none", len(permits.requests))
		}

		client := NewClient(c.Config("eu-west-1", role), Options{})
		time.Sleep(50 * time.Minute)
		if _, err := ListRESTAPIs(t.Context(), client); err != nil || len(stsForms(t, w)) != 1 {
			t.Errorf("after 50 minutes: %d AssumeRole calls, error %v", len(stsForms(t, w)), err)
		}
		time.Sleep(10*time.Minute - renewBefore + time.Second)
		if _, err := ListRESTAPIs(t.Context(), client); err != nil || len(stsForms(t, w)) != 2 {
			t.Errorf("shortly before they end: %d AssumeRole calls, error %v", len(stsForms(t, w)), err)
		}
	})
}

func TestSTSNamesTheAccount(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: stsAnswer()}
		c := newCredentials(t, w, CredentialsOptions{Regions: []string{"eu-west-1"}})
		account, err := c.AccountID(t.Context(), "eu-west-1", "")
		if err != nil || account != "123456789012" {
			t.Errorf("account %q, error %v", account, err)
		}
		wantCalls(t, w, 1)
	})
}

func TestADisabledRegionDoesNotMakeTheCredentialsWrong(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: stsAnswer("ap-east-1")}
		c := newCredentials(t, w, CredentialsOptions{Regions: []string{"ap-east-1", "eu-west-1"}})
		for _, roleARN := range []string{"", role} {
			if account, err := c.AccountID(t.Context(), "ap-east-1", roleARN); err != nil || account != "123456789012" {
				t.Errorf("role %q: account %q, error %v", roleARN, account, err)
			}
		}
		_, err := ListRESTAPIs(t.Context(), NewClient(c.Config("ap-east-1", ""), Options{}))
		if err == nil {
			t.Fatal("the disabled region answered")
		}
		if _, err := ListRESTAPIs(t.Context(), NewClient(c.Config("eu-west-1", role), Options{})); err != nil {
			t.Errorf("the other region's target failed too: %v", err)
		}
	})
}

func TestAnAccessKeyThatNoRegionKnowsIsWrong(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(stsFault(
			403, "InvalidClientTokenId", "The security token included in the request is invalid.",
		))}
		c := newCredentials(t, w, CredentialsOptions{Regions: []string{"eu-west-1"}})
		_, err := c.AccountID(t.Context(), "eu-west-1", "")
		wantClass(t, err, gateway.BadCredentials)
		wantNoSecret(t, err)
		if !strings.Contains(Explain(err), "accessKeyId") {
			t.Errorf("explanation: %s", Explain(err))
		}
	})
}

func TestARoleThatMayNotBeAssumedFailsWithAReason(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(stsFault(403, "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole"))}
		c := newCredentials(t, w, CredentialsOptions{Regions: []string{"eu-west-1"}})
		_, err := ListRESTAPIs(t.Context(), NewClient(c.Config("eu-west-1", role), Options{}))
		wantClass(t, err, gateway.AccessDenied)
		if !strings.Contains(Explain(err), "trust policy") {
			t.Errorf("explanation: %s", Explain(err))
		}
		wantNoSecret(t, err)
	})
}

func TestARoleWhoseUseAPolicyDeniesIsToldWithTheKindOfPolicy(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: answers(stsFault(403, "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole on "+
			"resource: "+role+" with an explicit deny in a service control policy"))}
		c := newCredentials(t, w, CredentialsOptions{Regions: []string{"eu-west-1"}})
		_, err := ListRESTAPIs(t.Context(), NewClient(c.Config("eu-west-1", role), Options{}))
		const want = "a Deny in a service control policy forbids sts:AssumeRole: remove or narrow it"
		if got := Explain(err); !strings.Contains(got, want) || strings.Contains(got, "trust policy") {
			t.Errorf("explanation: %s", got)
		}
	})
}

func TestTheSDKsOwnVariablesAreRead(t *testing.T) {
	quiet(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9/base")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "the-secret")
	w := &wire{answer: stsAnswer()}
	c, err := NewCredentials(t.Context(), CredentialsOptions{Regions: []string{"eu-west-1"}, HTTPClient: w})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ListRESTAPIs(t.Context(), NewClient(c.Config("us-east-1", ""), Options{})); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AccountID(t.Context(), "us-east-1", ""); err != nil {
		t.Fatal(err)
	}
	for _, r := range w.requests() {
		if r.request.URL.Host != "127.0.0.1:9" || !strings.HasPrefix(r.request.URL.Path, "/base") {
			t.Errorf("sent to %s", r.request.URL)
		}
		auth := r.request.Header.Get("Authorization")
		if !strings.Contains(auth, "AKIDENV/") || !strings.Contains(auth, "/us-east-1/") {
			t.Errorf("signed as %s", auth)
		}
		if agent := r.request.Header.Get("User-Agent"); !strings.Contains(agent, "app/"+appID) {
			t.Errorf("user agent %q", agent)
		}
	}
}

func TestStaticKeysWinOverTheEnvironment(t *testing.T) {
	quiet(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "other")
	w := &wire{answer: stsAnswer()}
	c := newCredentials(t, w, CredentialsOptions{Regions: []string{"eu-west-1"}})
	if _, err := ListRESTAPIs(t.Context(), NewClient(c.Config("eu-west-1", ""), Options{})); err != nil {
		t.Fatal(err)
	}
	if auth := w.requests()[0].request.Header.Get("Authorization"); !strings.Contains(auth, "AKIDEXAMPLE/") {
		t.Errorf("signed as %s", auth)
	}
}

func TestWithoutAnyCredentialsTheErrorSaysWhatToSet(t *testing.T) {
	quiet(t)
	w := &wire{answer: stsAnswer()}
	c, err := NewCredentials(t.Context(), CredentialsOptions{Regions: []string{"eu-west-1"}, HTTPClient: w})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ListRESTAPIs(t.Context(), NewClient(c.Config("eu-west-1", ""), Options{}))
	wantClass(t, err, gateway.BadCredentials)
	if !strings.Contains(Explain(err), "accessKeyId") {
		t.Errorf("explanation: %s (%v)", Explain(err), err)
	}
}

func TestCredentialsNeedARegion(t *testing.T) {
	if _, err := NewCredentials(t.Context(), CredentialsOptions{}); err == nil {
		t.Error("no error")
	}
}

func TestTheAccountOfARoleIsReadFromItsARN(t *testing.T) {
	for arn, want := range map[string]string{
		role: "210987654321",
		"arn:aws-cn:iam::210987654321:role/path/federation": "210987654321",
		"arn:aws:iam::2109:role/x":                          "",
		"arn:aws:s3:::bucket":                               "",
		"federation":                                        "",
		"":                                                  "",
	} {
		if got := AccountOfRole(arn); got != want {
			t.Errorf("%q: %q, want %q", arn, got, want)
		}
	}
}

func TestTheSharedHTTPClientKeepsConnectionsOnlyDuringWork(t *testing.T) {
	transport := NewHTTPClient().GetTransport()
	if transport.IdleConnTimeout != idleTime || transport.MaxIdleConns != maxIdle || transport.MaxConnsPerHost != 0 ||
		transport.Proxy == nil {
		t.Errorf("transport = %+v", transport)
	}
}

func TestAllTargetsOfAnIntegrationShareTheirConnections(t *testing.T) {
	quiet(t)
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"item":[]}`))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	c, err := NewCredentials(t.Context(), CredentialsOptions{
		AccessKeyID: secret.New("AKIDEXAMPLE"), SecretAccessKey: secret.New("s"), Regions: []string{"eu-west-1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, region := range []string{"eu-west-1", "us-east-1", "ap-south-1"} {
		if _, err := ListRESTAPIs(t.Context(), NewClient(c.Config(region, ""), Options{})); err != nil {
			t.Fatal(err)
		}
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("%d connections were opened for three targets, one after the other", got)
	}
}

func TestACABundleIsUsedAndDoesNotStopASimulation(t *testing.T) {
	quiet(t)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"item":[]}`))
	}))
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	o := CredentialsOptions{AccessKeyID: secret.New("AKIDEXAMPLE"), SecretAccessKey: secret.New("s"), Regions: []string{"eu-west-1"}}
	for name, client := range map[string]aws.HTTPClient{"real": nil, "simulated": &wire{answer: answers(noAPIs)}} {
		o.HTTPClient = client
		c, err := NewCredentials(t.Context(), o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := ListRESTAPIs(t.Context(), NewClient(c.Config("eu-west-1", ""), Options{})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheNextRegionIsAskedWhenSTSDoesNotAnswer(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		w := &wire{}
		w.answer = func(n int, r *http.Request) (*http.Response, error) {
			if strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/sts/") {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return stsAnswer()(n, r)
		}
		c := newCredentials(t, w, CredentialsOptions{Regions: []string{"eu-west-1", "us-east-1"}})
		began := time.Now()
		if _, err := ListRESTAPIs(t.Context(), NewClient(c.Config("eu-west-1", role), Options{})); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != stsTime {
			t.Errorf("it took %s", took)
		}
	})
}

func TestEachAttemptAtSTSIsToldWithItsResultAndTime(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		var told []string
		granted := stsAnswer()
		w := &wire{answer: func(n int, r *http.Request) (*http.Response, error) {
			switch {
			case r.Method == http.MethodGet: // API Gateway, which tells its own
				return noAPIs(r)
			case n == 1:
				time.Sleep(2 * time.Second)
				return stsFault(503, "ServiceUnavailable", "later")(r)
			case strings.Contains(r.Header.Get("Authorization"), "/us-east-1/"):
				return stsFault(403, "AccessDenied", "no")(r)
			}
			return granted(n, r)
		}}
		c := newCredentials(t, w, CredentialsOptions{
			Regions: []string{"eu-west-1"}, RoleSessionName: "me",
			Called: func(region string, o gateway.Operation, outcome gateway.Outcome) {
				told = append(told, fmt.Sprintf("%s %s %s %s", region, o, outcome.Class, outcome.Took))
			},
		})
		if _, err := ListRESTAPIs(t.Context(), NewClient(c.Config("eu-west-1", role), Options{Jitter: half})); err != nil {
			t.Error(err)
		}
		if _, err := c.AccountID(t.Context(), "us-east-1", ""); err == nil {
			t.Error("STS denied it")
		}
		want := "[eu-west-1 AssumeRole unavailable 2s eu-west-1 AssumeRole ok 0s us-east-1 GetCallerIdentity access_denied 0s]"
		if got := fmt.Sprint(told); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}
