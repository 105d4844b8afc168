package moto

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// User makes an IAM user of the default account that may do these actions, and returns an access key of it.
//
// moto checks actions by the operation's name, such as "apigateway:GetRestApis", and no resources. AWS checks HTTP
// verbs (apigateway:GET) on paths. So the minimum policy itself cannot be tried here.
func (s *Server) User(t testing.TB, name string, actions ...string) (accessKeyID, secretAccessKey string) {
	t.Helper()
	policy, err := json.Marshal(map[string]any{
		"Version":   "2012-10-17",
		"Statement": []any{map[string]any{"Effect": "Allow", "Action": actions, "Resource": "*"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.iam(t, url.Values{"Action": {"CreateUser"}, "UserName": {name}})
	s.iam(t, url.Values{
		"Action": {"PutUserPolicy"}, "UserName": {name}, "PolicyName": {"test"}, "PolicyDocument": {string(policy)},
	})
	var made struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	if err := xml.Unmarshal(s.iam(t, url.Values{"Action": {"CreateAccessKey"}, "UserName": {name}}), &made); err != nil ||
		made.ID == "" || made.Secret == "" {
		t.Fatalf("moto's answer to CreateAccessKey cannot be read: %v", err)
	}
	return made.ID, made.Secret
}

// iam calls IAM by its query protocol: one service more of the SDK would be a dependency for three calls.
func (s *Server) iam(t testing.TB, form url.Values) []byte {
	t.Helper()
	form.Set("Version", "2010-05-08")
	return s.post(t, "/", form.Encode(), http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"},
		// All that moto looks at while it checks nothing: which service is meant.
		"Authorization": {
			"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20250101/us-east-1/iam/aws4_request, " +
				"SignedHeaders=host, Signature=0",
		},
	})
}

// Authorize makes moto check signatures and permissions from now on, or no longer. It does neither at its start.
func (s *Server) Authorize(t testing.TB, on bool) {
	t.Helper()
	unchecked := "inf" // how many calls more are not checked
	if on {
		unchecked = "0"
	}
	s.post(t, "/moto-api/reset-auth", unchecked, http.Header{})
}

func (s *Server) post(t testing.TB, path, body string, header http.Header) []byte {
	t.Helper()
	request, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, s.URL+path,
		strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("moto answered %s with %s: %v", path, response.Status, err)
	}
	return text
}
