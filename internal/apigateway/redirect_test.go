package apigateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/gateway"
)

func TestARedirectIsRefusedAndExplained(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const to = "https://user:the-secret@login.example.com/portal?token=the-secret"
				redirect := func(r *http.Request) (*http.Response, error) {
					return response(r, status, http.Header{"Location": {to}}, "moved"), nil
				}
				w := &wire{answer: answers(redirect)}
				_, _, err := CreateKey(t.Context(), w.client(nil), "name", "")
				wantClass(t, err, gateway.Unavailable) // and not that a key may have been made
				wantCalls(t, w, 1)
				w = &wire{answer: answers(redirect, ok(200, `{"item":[]}`))}
				if _, err := ListRESTAPIs(t.Context(), w.client(nil)); err != nil {
					t.Errorf("the next answer was well: %v", err)
				}
				wantNoSecret(t, err)
				for _, want := range []string{
					fmt.Sprint(status), "https://apigateway.eu-west-1.amazonaws.com/apikeys", "https://login.example.com/portal;",
					"HTTPS_PROXY", "AWS_ENDPOINT_URL",
				} {
					if !strings.Contains(Explain(err), want) {
						t.Errorf("%q is not in %s", want, Explain(err))
					}
				}
			})
		})
	}
}

func TestARedirectThatLeadsNowhereIsRefusedToo(t *testing.T) {
	for _, location := range []string{"", "://", "https://a\x7fb/"} {
		synctest.Test(t, func(t *testing.T) {
			w := &wire{answer: answers(func(r *http.Request) (*http.Response, error) {
				return response(r, 302, http.Header{"Location": {location}}, ""), nil
			})}
			_, err := ListRESTAPIs(WithLatest(t.Context(), time.Now()), w.client(nil))
			wantClass(t, err, gateway.Unavailable)
		})
	}
}

// The server redirects everything to another one, which would answer.
func TestNoSignedRequestFollowsARedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, c := range map[string]struct {
			set     map[string]string
			role    string
			follows bool // the SDK's own client follows, and its answer is not believed
		}{
			"API Gateway": {set: map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "the-secret"}},
			"AWS STS": {
				set:  map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "the-secret"},
				role: role,
			},
			"a web identity": {set: map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "testdata/token", "AWS_ROLE_ARN": role,
				"AWS_ENDPOINT_URL_STS": "URL"}},
			"the container's endpoint": {
				set: map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "URL", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the-secret"},
			},
			"the metadata service": {
				set:     map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": "URL", "AWS_EC2_METADATA_DISABLED": ""},
				follows: true,
			},
		} {
			t.Run(fmt.Sprint(name, " ", status), func(t *testing.T) {
				quiet(t)
				var followed atomic.Int32
				other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					followed.Add(1)
					_, _ = io.WriteString(w, `{"item":[],"Code":"Success","AccessKeyId":"ASIAX","SecretAccessKey":"x","Token":"t",`+
						`"Expiration":"2099-01-01T00:00:00Z"}`)
				}))
				defer other.Close()
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					http.Redirect(w, r, other.URL+r.URL.Path, status)
				}))
				defer server.Close()
				t.Setenv("AWS_ENDPOINT_URL", server.URL)
				for key, value := range c.set {
					t.Setenv(key, strings.Replace(value, "URL", server.URL, 1))
				}
				credentials, err := NewCredentials(t.Context(), CredentialsOptions{Regions: []string{"us-east-1"}})
				if err != nil {
					t.Fatal(err)
				}
				client := NewClient(credentials.Config("us-east-1", c.role), Options{})
				_, err = ListRESTAPIs(WithLatest(t.Context(), time.Now()), client)
				if err == nil || !strings.Contains(Explain(err), "redirects the call") {
					t.Errorf("%v: %s", err, Explain(err))
				}
				if n := followed.Load(); n > 0 && !c.follows {
					t.Errorf("%d redirects were followed", n)
				}
			})
		}
	}
}
