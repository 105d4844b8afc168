package apigateway

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"federation-agent/internal/gateway"
	"federation-agent/internal/secret"
)

// kept is a live secret: what is stored is read by Refresh.
type kept struct {
	mu           sync.Mutex
	stored, text string
	reads        int
}

func (k *kept) Text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.text
}

func (k *kept) Refresh(context.Context) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.text = k.stored
	k.reads++
}

func (k *kept) rotate(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stored = text
}

// signedBy is the access key that a request is signed with.
func signedBy(r *http.Request) string {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(scope, "/")
	return key
}

// liveKeys are keys of the settings that are read again, and the wire of who uses them. AWS knows one key only.
func liveKeys(t *testing.T, known *string) (*kept, *wire, *Credentials) {
	t.Helper()
	id := &kept{stored: "AKIDFIRST", text: "AKIDFIRST"}
	w := &wire{}
	w.answer = func(n int, r *http.Request) (*http.Response, error) {
		isSTS := strings.HasPrefix(r.URL.Host, "sts.")
		switch key := signedBy(r); {
		case isSTS && key != *known:
			return stsFault(403, "InvalidClientTokenId", "The security token included in the request is invalid.")(r)
		case !isSTS && key != *known && !strings.HasPrefix(key, "ASIA"):
			return fault(403, "UnrecognizedClientException", "The security token included in the request is invalid.")(r)
		}
		return stsAnswer()(n, r)
	}
	c := newCredentials(t, w, CredentialsOptions{
		AccessKeyID: secret.Live(id), SecretAccessKey: secret.New("the-secret"), Regions: []string{"us-east-1"},
	})
	return id, w, c
}

func TestALiveKeyIsAMinuteOldAtMost(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		known := "AKIDFIRST"
		id, w, c := liveKeys(t, &known)
		client := NewClient(c.Config("us-east-1", ""), Options{Jitter: half})
		list := func() string {
			if _, err := ListRESTAPIs(t.Context(), client); err != nil {
				t.Error(err)
			}
			all := w.requests()
			return signedBy(all[len(all)-1].request)
		}
		for range 3 {
			list()
		}
		if id.reads != 1 {
			t.Errorf("%d reads for three calls", id.reads)
		}
		time.Sleep(keysAge + time.Second)
		id.rotate("AKIDSECOND")
		known = "AKIDSECOND"
		if got := list(); got != "AKIDSECOND" || len(w.requests()) != 4 {
			t.Errorf("%s signs after %d requests", got, len(w.requests()))
		}
	})
}

func TestALiveKeyThatAWSRefusesIsReadAgainAtOnce(t *testing.T) {
	quiet(t)
	synctest.Test(t, func(t *testing.T) {
		for _, role := range []string{"", role} {
			known := "AKIDFIRST"
			id, _, c := liveKeys(t, &known)
			if _, err := c.AccountID(t.Context(), "us-east-1", ""); err != nil {
				t.Error(err)
			}
			id.rotate("AKIDSECOND")
			known = "AKIDSECOND"
			client := NewClient(c.Config("us-east-1", role), Options{Jitter: half})
			if _, err := ListRESTAPIs(t.Context(), client); err != nil || id.reads != 2 {
				t.Errorf("with the role %q: %v after %d reads", role, err, id.reads)
			}
			known = "AKIDTHIRD"
			client = NewClient(c.Config("us-east-1", ""), Options{Jitter: half})
			_, err := ListRESTAPIs(t.Context(), client)
			wantClass(t, err, gateway.RegionUnavailable)
			if id.reads != 3 {
				t.Errorf("a key that stays wrong is read %d times", id.reads)
			}
		}
	})
}

func TestKeysOfTheSettingsThatCannotChangeAreNotTriedAgain(t *testing.T) {
	quiet(t)
	w := &wire{answer: answers(fault(403, "UnrecognizedClientException", "invalid"))}
	c := newCredentials(t, w, CredentialsOptions{Regions: []string{"us-east-1"}})
	_, err := ListRESTAPIs(t.Context(), NewClient(c.Config("us-east-1", ""), Options{Jitter: half}))
	wantClass(t, err, gateway.RegionUnavailable)
	if n := len(w.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestASessionTokenOfTheSettingsIsSent(t *testing.T) {
	quiet(t)
	w := &wire{answer: answers(noAPIs)}
	c := newCredentials(t, w, CredentialsOptions{
		AccessKeyID: secret.New("ASIAEXAMPLE"), SecretAccessKey: secret.New("the-secret"),
		SessionToken: secret.New("the-session-token"), Regions: []string{"us-east-1"},
	})
	if _, err := ListRESTAPIs(t.Context(), NewClient(c.Config("us-east-1", ""), Options{})); err != nil {
		t.Error(err)
	}
	if got := w.requests()[0].request.Header.Get("X-Amz-Security-Token"); got != "the-session-token" {
		t.Errorf("%q", got)
	}
}
