package apigateway

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"federation-agent/internal/gateway"
	"federation-agent/internal/sandbox/memnet"
	"federation-agent/internal/secret"
)

// site is what the SDK's own chain of credentials can reach: a network in memory, so that its waits take virtual time.
type site struct{ network *memnet.Network }

// client is the agent's own client, on the site's network. The SDK sets a dialer in the client of the metadata service,
// but it keeps the one for TLS. So each address of the site begins with https, and the connections are plain.
func (s site) client() *awshttp.BuildableClient {
	return NewHTTPClient().WithTransportOptions(func(t *http.Transport) {
		t.Proxy = nil
		t.DialTLSContext = s.network.Dial
	})
}

func (s site) serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	listener, err := s.network.Listen("server.test:443")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return "https://server.test"
}

// deaf accepts connections and never answers.
func (s site) deaf(t *testing.T) string {
	t.Helper()
	return s.serve(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
}

// oneHop is IMDSv2 behind a container's network: the answer with the token is lost on its way, and nothing goes
// without.
func (s site) oneHop(t *testing.T) string {
	t.Helper()
	return s.serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusUnauthorized)
	})
}

func (s site) answers(t *testing.T, status int, contentType, body string) string {
	t.Helper()
	return s.serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// nobody is an address at which nobody listens.
const nobody = "https://nobody.test"

func TestEachSourceOfCredentialsThatFailsIsNamedWithWhatToDo(t *testing.T) {
	const metadata, container = "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	profile := func(text string) func(*testing.T, site) map[string]string {
		return func(t *testing.T, _ site) map[string]string {
			return map[string]string{"AWS_CONFIG_FILE": file(t, text), "HOME": t.TempDir()}
		}
	}
	env := func(pairs ...string) func(*testing.T, site) map[string]string {
		return func(*testing.T, site) map[string]string {
			set := map[string]string{}
			for i := 0; i < len(pairs); i += 2 {
				set[pairs[i]] = pairs[i+1]
			}
			return set
		}
	}
	sts := func(status int, code string) func(*testing.T, site) map[string]string {
		return func(t *testing.T, s site) map[string]string {
			return map[string]string{
				"AWS_WEB_IDENTITY_TOKEN_FILE": file(t, "a.b.the-secret"), "AWS_ROLE_ARN": role,
				"AWS_ENDPOINT_URL_STS": s.answers(t, status, "text/xml",
					"<ErrorResponse><Error><Code>"+code+"</Code><Message>no</Message></Error></ErrorResponse>"),
			}
		}
	}
	for name, c := range map[string]struct {
		set  func(*testing.T, site) map[string]string
		want []string
	}{
		"a metadata service that accepts and never answers": {
			func(t *testing.T, s site) map[string]string { return map[string]string{metadata: s.deaf(t)} },
			[]string{"does not answer from within this container", "hop limit to 2", "accessKeyId", "role of its own"},
		},
		"a metadata service whose token never came": {
			func(t *testing.T, s site) map[string]string {
				return map[string]string{metadata: s.oneHop(t)}
			},
			[]string{"hop limit to 2"},
		},
		"a machine without a role": {
			func(t *testing.T, s site) map[string]string {
				return map[string]string{metadata: s.answers(t, 404, "text/html", "")}
			},
			[]string{"instance profile", "accessKeyId"},
		},
		"a metadata service that is blocked": {
			func(t *testing.T, s site) map[string]string {
				return map[string]string{metadata: s.answers(t, 403, "text/html", "")}
			},
			[]string{"status 403", "switched off or blocked"},
		},
		"no metadata service": {env(metadata, nobody), []string{"no AWS credentials were found"}},
		"half a key": {
			env("AWS_EC2_METADATA_DISABLED", "true", "AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
			[]string{"no AWS credentials were found", "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"},
		},
		"a role without a token file": {
			env("AWS_EC2_METADATA_DISABLED", "true", "AWS_ROLE_ARN", role), []string{"AWS_ROLE_ARN is set without AWS_WEB_IDENTITY_TOKEN_FILE"},
		},
		"a credentials file that is not there": {
			env("AWS_EC2_METADATA_DISABLED", "true", "AWS_SHARED_CREDENTIALS_FILE", "/none/credentials"),
			[]string{"the file of AWS_SHARED_CREDENTIALS_FILE is not there"},
		},
		"a token file that is not there": {
			env("AWS_WEB_IDENTITY_TOKEN_FILE", "/none/token", "AWS_ROLE_ARN", role),
			[]string{"AWS_WEB_IDENTITY_TOKEN_FILE", "mounted"},
		},
		"a token file that is a folder": {
			env("AWS_WEB_IDENTITY_TOKEN_FILE", "/", "AWS_ROLE_ARN", role), []string{"AWS_WEB_IDENTITY_TOKEN_FILE", "may read it"},
		},
		"a token file without a role": {
			env("AWS_WEB_IDENTITY_TOKEN_FILE", "/none/token"), []string{"own settings", "role ARN is not set"},
		},
		"a web identity that STS refuses":  {sts(403, "AccessDenied"), []string{"AWS_ROLE_ARN", "OIDC", "service account"}},
		"a web identity that nobody knows": {sts(400, "InvalidIdentityToken"), []string{"AWS_ROLE_ARN", "OIDC"}},
		"a web identity that has expired":  {sts(400, "ExpiredTokenException"), []string{"AWS_WEB_IDENTITY_TOKEN_FILE is renewed"}},
		"a profile that is not there":      {env("AWS_PROFILE", "prod"), []string{`no profile "prod"`, "AWS_PROFILE", "AWS_CONFIG_FILE"}},
		"a profile with half a key": {
			profile("[default]\naws_access_key_id = AKIDEXAMPLE\n"), []string{"own settings", "partial credentials"},
		},
		"a profile with a role and nothing to assume it with": {
			profile("[default]\nrole_arn = " + role + "\nsource_profile = none\n"), []string{`no profile "none"`},
		},
		"an SSO session without a token": {
			profile("[default]\nsso_account_id=1\nsso_role_name=r\nsso_region=us-east-1\nsso_start_url=https://x/\n"),
			[]string{"aws sso login", "role or keys"},
		},
		"a profile whose SSO is incomplete": {
			profile("[default]\nsso_account_id=1\nsso_role_name=r\n"), []string{"missing required configuration", "profile"},
		},
		"a process that is not there": {
			profile("[default]\ncredential_process = /none/program\n"), []string{"credential_process", "no shell"},
		},
		"a process that writes something else": {
			profile("[default]\ncredential_process = echo '{\"SecretAccessKey\":\"the-secret\"'\n"),
			[]string{"credential_process", "what it writes"},
		},
		"a container's endpoint that refuses": {
			func(t *testing.T, s site) map[string]string {
				return map[string]string{container: s.answers(t, 403, "text/html", "no")}
			},
			[]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "status 403", "pod identity"},
		},
		"a container's endpoint that refuses in JSON": {
			func(t *testing.T, s site) map[string]string {
				return map[string]string{container: s.answers(t, 400, "application/json",
					`{"code":"AccessDeniedException","message":"no association"}`)}
			},
			[]string{"status 400", "pod identity"},
		},
		"a container's endpoint where nobody listens": {
			env(container, nobody+"/v2/the-secret?token=the-secret"), []string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "did not answer", "task role"},
		},
		"a container's endpoint that is a page": {
			func(t *testing.T, s site) map[string]string {
				return map[string]string{container: s.answers(t, 200, "text/html", "<html>")}
			},
			[]string{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
		},
		"a container's endpoint that is no host of a container": {
			env(container, "http://192.0.2.1/credentials"), []string{"own settings", "only loopback/ecs/eks hosts are allowed"},
		},
		"a container's token that is not there": {
			env(container, nobody, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/none/token"), []string{"TOKEN_FILE"},
		},
		"a temporary key without its token": {
			env("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY", "the-secret"), []string{"AWS_SESSION_TOKEN", "ASIA"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := site{memnet.New(nil)}
				quiet(t)
				t.Setenv("AWS_MAX_ATTEMPTS", "1")
				t.Setenv("AWS_EC2_METADATA_DISABLED", "")
				t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", nobody)
				for key, value := range c.set(t, s) {
					t.Setenv(key, value)
				}
				err := retrieve(t, CredentialsOptions{HTTPClient: s.client()})
				if err == nil {
					t.Fatal("there are credentials")
				}
				for _, want := range c.want {
					if !strings.Contains(Explain(err), want) {
						t.Errorf("%q is not in %s", want, Explain(err))
					}
				}
				switch class := Classify(err); class {
				case gateway.BadCredentials, gateway.Unreachable:
				case gateway.AccessDenied, gateway.Invalid, gateway.ExpiredCredentials: // of STS
					if !strings.Contains(name, "web identity") {
						t.Errorf("class %v", class)
					}
				default:
					t.Errorf("class %v", class)
				}
				wantNoSecret(t, err)
				if text := err.Error(); len(text) > 2*maxWords || strings.Contains(text, "\n") {
					t.Errorf("an unfit line for a log: %s", text)
				}
			})
		})
	}
}

// retrieve asks for the credentials of a target as a call does.
func retrieve(t *testing.T, o CredentialsOptions) error {
	t.Helper()
	o.Regions = []string{"us-east-1"}
	credentials, err := NewCredentials(t.Context(), o)
	if err != nil {
		return err
	}
	_, err = ListRESTAPIs(WithLatest(t.Context(), time.Now()), NewClient(credentials.Config("us-east-1", ""), Options{}))
	return err
}

func TestATemporaryKeyInTheSettingsSaysWhereItBelongs(t *testing.T) {
	quiet(t)
	err := retrieve(t, CredentialsOptions{AccessKeyID: secret.New("ASIAEXAMPLE"), SecretAccessKey: secret.New("the-secret")})
	wantClass(t, err, gateway.BadCredentials)
	wantNoSecret(t, err)
	if !strings.Contains(Explain(err), "sessionToken beside accessKeyId") {
		t.Error(Explain(err))
	}
}

func TestASessionTokenThatHasExpiredSaysThatNothingRenewsIt(t *testing.T) {
	w := &wire{
		answer: answers(fault(403, "ExpiredTokenException", "The security token included in the request is expired")),
	}
	_, err := ListRESTAPIs(WithLatest(t.Context(), time.Now()), w.client(nil))
	wantClass(t, err, gateway.ExpiredCredentials)
	if !strings.Contains(Explain(err), "AWS_SESSION_TOKEN") {
		t.Error(Explain(err))
	}
}

func TestAContainersEndpointThatIsBusyIsAskedAgain(t *testing.T) {
	for status, class := range map[int]gateway.Class{503: gateway.Unavailable, 404: gateway.BadCredentials} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				quiet(t)
				t.Setenv("AWS_MAX_ATTEMPTS", "1")
				s := site{memnet.New(nil)}
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", s.answers(t, status, "application/json", `{"code":"X"}`))
				wantClass(t, retrieve(t, CredentialsOptions{HTTPClient: s.client()}), class)
			})
		})
	}
}
