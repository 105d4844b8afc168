//go:build interop

package moto

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"federation-agent/config"
	secretnames "federation-agent/internal/secret"
	"federation-agent/internal/secrets"
	store "federation-agent/internal/secretsmanager"
)

// gate stands before APIM and AWS. It sees who signs in, and lets in everybody but a key that is deleted.
type gate struct {
	mu      sync.Mutex
	tokens  []string // of the session's requests, in their order
	keys    []string // of the calls to API Gateway
	deleted string
}

func (g *gate) apim(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.tokens = append(g.tokens, r.Header.Get("Authorization"))
		g.mu.Unlock()
		r.Header.Set("Authorization", "bearer "+token)
		next.ServeHTTP(w, r)
	})
}

func (g *gate) aws(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
		key, _, _ := strings.Cut(scope, "/")
		g.mu.Lock()
		isDeleted := key == g.deleted
		if strings.Contains(scope, "/apigateway/") {
			g.keys = append(g.keys, key)
		}
		g.mu.Unlock()
		if isDeleted {
			w.Header().Set("X-Amzn-Errortype", "UnrecognizedClientException")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"message":"The security token included in the request is invalid."}`)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// last gives the token and the key that were used last.
func (g *gate) last() (token, key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.tokens) > 0 {
		token = g.tokens[len(g.tokens)-1]
	}
	if len(g.keys) > 0 {
		key = g.keys[len(g.keys)-1]
	}
	return token, key
}

func (g *gate) remove(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deleted = key
}

func TestASecretThatIsRotatedInSecretsManagerIsUsedByTheRunningAgent(t *testing.T) {
	r := newRig(t)
	g := &gate{}
	moto, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(g.aws(httputil.NewSingleHostReverseProxy(moto)))
	t.Cleanup(front.Close)
	apim := httptest.NewServer(g.apim(r.apim))
	t.Cleanup(apim.Close)
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAREADERREADERREAD")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "of-the-reader-of-secrets")

	region := r.Region(t, DefaultAccount, "eu-west-1")
	orders := region.API("Orders", "", "prod")
	region.Plan("Gold", Deployed{orders, "prod"})
	owner := secretsmanager.New(secretsmanager.Options{
		Region: "eu-west-1", BaseEndpoint: &r.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAOWNER", "x", ""),
	})
	name := "federation/agent"
	generation := func(n int) string {
		return fmt.Sprintf(`{"token":"bearer token-number-%d","id":"AKIAGENERATION00000%d","secret":"the-secret-key-number-%d"}`,
			n, n, n)
	}
	if _, err := owner.CreateSecret(r.ctx, &secretsmanager.CreateSecretInput{
		Name: &name, SecretString: aws.String(generation(1)),
	}); err != nil {
		t.Fatal(err)
	}

	keeper := secrets.New()
	r.open = func(s config.Secrets) config.SecretReader {
		keeper.Use(secretnames.AWS, store.New(store.Options{Region: s.AWS.Region, Timeout: 10 * time.Second}))
		return keeper
	}
	const reference = "secret://aws/federation/agent:"
	r.start(settings{
		"gravitee_secrets_aws_enabled":                      "true",
		"gravitee_secrets_aws_region":                       "eu-west-1",
		"gravitee_integration_connector_ws_endpoints_0":     apim.URL,
		"gravitee_integration_connector_ws_headers_0_value": reference + "token",
		keyID:  reference + "id",
		secret: reference + "secret",
	})
	if got, _ := r.preview(); len(got) != 1 {
		t.Errorf("%d APIs", len(got))
	}
	if token, key := g.last(); token != "bearer token-number-1" || key != "AKIAGENERATION000001" {
		t.Errorf("before the rotation: %s, %s", token, key)
	}

	if _, err := owner.PutSecretValue(r.ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &name, SecretString: aws.String(generation(2)),
	}); err != nil {
		t.Fatal(err)
	}
	g.remove("AKIAGENERATION000001")
	r.apim.Cut(integration)
	r.await("a session with the second token", func() bool {
		token, _ := g.last()
		return token == "bearer token-number-2" && len(r.apim.Agents()) == 1
	})
	if got, partial := r.preview(); len(got) != 1 || partial {
		t.Errorf("after the rotation: %d APIs, partial %v", len(got), partial)
	}
	if _, key := g.last(); key != "AKIAGENERATION000002" {
		t.Errorf("after the rotation AWS is called with %s", key)
	}
	for _, text := range []string{"token-number-", "the-secret-key-number-"} {
		if strings.Contains(r.log.String(), text) {
			t.Errorf("the log holds a secret: %s", text)
		}
	}
}
