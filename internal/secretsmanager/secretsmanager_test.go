package secretsmanager_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/secret"
	"federation-agent/internal/secretsmanager"
)

const hidden = "hunter2"

// serve is a Secrets Manager of a few secrets.
func serve(t *testing.T) (url string, seen *http.Header) {
	t.Helper()
	seen = &http.Header{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*seen = r.Header
		var asked struct{ SecretId string }
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &asked)
		answer := map[string]string{
			"prod/keys": fmt.Sprintf(`{"SecretString":%q}`, `{"id":"AKIA","secret":"`+hidden+`","port":8080,"none":null}`),
			"plain":     fmt.Sprintf(`{"SecretString":%q}`, hidden),
			"list":      `{"SecretString":"[1]"}`,
			"bytes":     `{"SecretBinary":"aHVudGVyMg=="}`,
		}[asked.SecretId]
		switch {
		case asked.SecretId == "silent":
			<-r.Context().Done()
		case asked.SecretId == "forbidden":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"AccessDeniedException","Message":"User: x is not authorized to perform: `+
				`secretsmanager:GetSecretValue"}`)
		case answer == "":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find it."}`)
		default:
			fmt.Fprint(w, answer)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, seen
}

func quiet(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "", "AWS_ENDPOINT_URL": "", "NO_PROXY": "*",
	} {
		t.Setenv(name, value)
	}
}

func read(t *testing.T, o secretsmanager.Options, text string) string {
	t.Helper()
	r, err := secret.ParseReference(text)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := secretsmanager.New(o).Read(t.Context(), r)
	if err == nil {
		var found string
		if found, err = r.Find(texts); err == nil {
			return found
		}
	}
	if strings.Contains(err.Error(), hidden) {
		t.Errorf("shows a secret: %v", err)
	}
	return "error: " + err.Error()
}

func TestValuesAreReadByKey(t *testing.T) {
	quiet(t)
	url, seen := serve(t)
	o := secretsmanager.Options{
		Region: "eu-west-1", Endpoint: url, Timeout: time.Minute,
		AccessKeyID: secret.New("AKIDSTATIC"), SecretAccessKey: secret.New("s"),
	}
	for reference, want := range map[string]string{
		"secret://aws/prod/keys:id":     "AKIA",
		"secret://aws/prod/keys:secret": hidden,
		"secret://aws/prod/keys:port":   "8080",
		"secret://aws/plain":            hidden,
		"secret://aws/list":             "[1]",
		"secret://aws/prod/keys:none":   "error: is empty",
		"secret://aws/prod/keys":        "error: holds values by key; name one with a colon",
		"secret://aws/plain:k":          "error: holds one text without keys",
		"secret://aws/bytes":            "error: AWS Secrets Manager holds bytes there",
		"secret://aws/none:k":           `error: AWS Secrets Manager answers ResourceNotFoundException: "Secrets`,
		"secret://aws/forbidden:k":      `error: AWS Secrets Manager answers AccessDeniedException: "User: x`,
	} {
		if got := read(t, o, reference); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", reference, got, want)
		}
	}
	if got := seen.Get("Authorization"); !strings.Contains(got, "Credential=AKIDSTATIC/") ||
		!strings.Contains(got, "/eu-west-1/secretsmanager/") {
		t.Error(got)
	}
}

func TestWhereThereIsNoAnswerTheErrorSaysWhy(t *testing.T) {
	quiet(t)
	url, _ := serve(t)
	o := secretsmanager.Options{Region: "eu-west-1", Endpoint: url, Timeout: 50 * time.Millisecond}
	o.AccessKeyID, o.SecretAccessKey = secret.New("AKID"), secret.New("s")
	for what, c := range map[string]struct {
		change func(*secretsmanager.Options)
		want   string
	}{
		"silence":        {func(*secretsmanager.Options) {}, "did not answer within 50ms"},
		"no credentials": {func(o *secretsmanager.Options) { o.AccessKeyID = secret.String{} }, "no AWS credentials were"},
		"no server": {func(o *secretsmanager.Options) { o.Endpoint = "http://127.0.0.1:1" },
			"AWS Secrets Manager in eu-west-1 cannot be reached: dial tcp 127.0.0.1:1"},
	} {
		changed := o
		c.change(&changed)
		if what != "silence" {
			changed.Timeout = time.Minute
		}
		if got := read(t, changed, "secret://aws/silent:k"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s", what, got)
		}
	}
}
