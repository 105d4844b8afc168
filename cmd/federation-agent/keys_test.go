package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"

	"federation-agent/internal/sandbox/awssim"
)

// answering is an agent whose node API answers what a test says, and notes what it was asked.
func answering(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) (url string, asked *[]string) {
	t.Helper()
	asked = &[]string{}
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.URL.String())
		answer(w, r)
	}))
	t.Cleanup(agent.Close)
	return agent.URL, asked
}

// aKey is a key as the node API lists it.
func aKey(id, state, more string) string {
	return fmt.Sprintf(`{"id": %q, "state": %q, "keyName": "Shop / sub-%s", "account": "111122223333", "region": "eu-west-1",
		"subscription": "sub-%s", "api": "111122223333:eu-west-1:a1:prod", "apiName": "Orders", "usagePlanId": "p1",
		"since": "2026-11-01T10:00:00Z"%s}`, id, state, id, id, more)
}

func TestKeysAreListedWithAllThatAnOperatorNeeds(t *testing.T) {
	url, asked := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "" {
			fmt.Fprintf(w, `{"now": "2026-11-01T12:30:00Z", "total": 3, "counts": {"unconfirmed": 2, "deleting": 1},
				"next": "7.x", "keys": [%s, %s]}`,
				aKey("0f3c1a2b-1111", "unconfirmed", `, "keyId": "9x2k", "reason": "not proved", "do": "see in APIM"`),
				aKey("1f3c1a2b-1111", "unconfirmed", `, "keyId": "8x2k", "do": "see in APIM",
					"acknowledged": {"by": "admin", "reason": "ticket 7", "at": "2026-11-01T11:00:00Z"}`))
			return
		}
		fmt.Fprintf(w, `{"now": "2026-11-01T12:30:00Z", "total": 3, "counts": {"unconfirmed": 2, "deleting": 1}, "keys": [%s]}`,
			aKey("2f3c1a2b-1111", "deleting", `, "lastError": "no permission", "do": "configure it again"`))
	})
	code, out, errs := runs(t, nil, "keys", "list", "--url", url, "--all", "--state", "unconfirmed,deleting",
		"--target", "111122223333", "--limit", "0")
	for _, text := range []string{
		"0f3c1a2b  unconfirmed  2 h", "111122223333:eu-west-1", "9x2k", "Shop / sub-0f3c1a2b-1111", "why: not proved",
		"API Orders (111122223333:eu-west-1:a1:prod), plan p1", "subscription sub-1f3c1a2b-1111", "last error: no permission",
		"acknowledged by admin, 2026-11-01 11:00:00: ticket 7", "2f3c1a2b  deleting", "unknown", "1 deleting, 2 unconfirmed\n",
		"What to do about unconfirmed: see in APIM\n", "What to do about deleting: configure it again\n",
	} {
		if !strings.Contains(out, text) {
			t.Errorf("it lacks %q", text)
		}
	}
	if code != exitOrderly || strings.Count(out, "What to do about unconfirmed") != 1 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	filter := "%sall=true&limit=1000&state=unconfirmed%%2Cdeleting&target=111122223333"
	if want := []string{
		"GET /_node/federation/keys?" + fmt.Sprintf(filter, ""), "GET /_node/federation/keys?" + fmt.Sprintf(filter, "after=7.x&"),
	}; !slices.Equal(*asked, want) {
		t.Errorf("asked %q", *asked)
	}
	code, out, _ = runs(t, nil, "keys", "list", "--url", url, "--limit", "2")
	if code != exitOrderly || !strings.Contains(out, "the oldest 2 are shown, --limit 0 shows all") {
		t.Errorf("exit %d\n%s", code, out)
	}
	code, out, _ = runs(t, nil, "keys", "list", "--url", url, "--limit", "0", "--json")
	var list keyList
	if err := json.Unmarshal([]byte(out), &list); code != exitOrderly || err != nil || len(list.Keys) != 3 {
		t.Errorf("exit %d %v\n%s", code, err, out)
	}
}

func TestAnOrderAboutEachKeySaysWhatBecameOfIt(t *testing.T) {
	looks := 0
	url, asked := answering(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "in-use"):
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"error": "a customer may use it", "why": "in-use"}`)
		case r.Method == http.MethodPost:
			var order struct{ Reason string }
			if err := json.NewDecoder(r.Body).Decode(&order); err != nil || order.Reason != "ticket 7" {
				t.Errorf("%v %+v", err, order)
			}
			fmt.Fprintf(w, `{"key": %s, "warnings": ["not on the disk"]}`, aKey("0f3c1a2b-1111", "deleting", ""))
		case looks == 0:
			looks++
			fmt.Fprint(w, aKey("0f3c1a2b-1111", "deleting", `, "lastError": "no permission"`))
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error": "no such key", "why": "unknown"}`)
		}
	})
	with := []string{"--url", url, "--reason", "ticket 7"}
	order := func(args ...string) (int, string, string) { return runs(t, nil, append(args, with...)...) }

	code, out, errs := order("keys", "ack", "0f3c1a2b", "in-use")
	if code != exitInternal || out != "0f3c1a2b Shop / sub-0f3c1a2b-1111: acknowledged\n" ||
		errs != "warning: not on the disk\nin-use: not done: a customer may use it\n" {
		t.Errorf("exit %d %q %q", code, out, errs)
	}
	if code, _, errs = order("keys", "delete", "in-use"); code != exitInternal || !strings.Contains(errs, "(--even-if-in-use)") {
		t.Errorf("in use: exit %d %q", code, errs)
	}
	code, out, _ = order("keys", "delete", "0f3c1a2b", "--wait", "0s")
	if code != exitOrderly || !strings.Contains(out, "being deleted; the agent tries again") ||
		!strings.Contains(out, "no permission") {
		t.Errorf("not waited for: exit %d %q", code, out)
	}
	code, out, _ = order("keys", "delete", "0f3c1a2b", "--json")
	var results []orderResult
	if err := json.Unmarshal([]byte(out), &results); code != exitOrderly || err != nil || !results[0].Gone {
		t.Errorf("gone: exit %d %v %q", code, err, out)
	}
	if first := (*asked)[0]; first != "POST /_node/federation/keys/0f3c1a2b/ack" {
		t.Errorf("asked %q", first)
	}
	for _, args := range [][]string{{"keys", "ack", "x", "--url", url}, append([]string{"keys", "ack"}, with...)} {
		if code, _, _ := runs(t, nil, args...); code != exitConfiguration {
			t.Errorf("%q: exit %d", args, code)
		}
	}
}

func TestAShellOffersTheKeysOfTheRunningAgent(t *testing.T) {
	url, asked := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"total": 2, "keys": [%s, %s]}`, aKey("0f3c1a2b-1111", "unconfirmed", ""),
			aKey("1f3c1a2b-1111", "unconfirmed", ""))
	})
	_, out, _ := runs(t, nil, "__complete", "keys", "ack", "--reason", "r", "--url", url, "0f3c1a2b", "")
	if !strings.HasPrefix(out, "1f3c1a2b\tunconfirmed Shop / sub-1f3c1a2b-1111\n") || strings.Contains(out, "0f3c1a2b\t") {
		t.Errorf("offered %q, asked %q", out, *asked)
	}
}

func TestWhatIsNoCommandIsGuessed(t *testing.T) {
	for wrong, meant := range map[string]string{"kyes list": "keys", "keys lst": "list", "config prnt": "print"} {
		code, _, errs := runs(t, nil, strings.Fields(wrong)...)
		if code != exitConfiguration || !strings.Contains(errs, "did you mean "+meant+"?") {
			t.Errorf("%s: exit %d %s", wrong, code, errs)
		}
	}
}

// The agent's node API has no users: the command beside it proves itself by the file.
func TestTheCommandBesideTheAgentAcknowledgesAKeyAndNobodyElseDoes(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := settings(t, s, nodeEnabled+"=true", nodePort+"=0", "gravitee_services_core_http_authentication_type=none")
	agent := start(t, environ)
	connected(t, s)
	ingested(t, s)
	s.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Fault: awssim.Of(awssim.FaultLoseAnswer)})
	api := s.APIM.APIs()[0]
	if _, err := s.APIM.Subscribe(t.Context(), api.ID, api.Plans[0].ID, "Shop", ""); err != nil {
		t.Fatal(err)
	}
	url := nodeURL(agent)
	_, out, _ := runs(t, nil, "keys", "list", "--url", url, "--json")
	var list keyList
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Keys) != 1 {
		t.Fatalf("%v %s", err, out)
	}
	order := []string{"keys", "ack", list.Keys[0].ID, "--reason", "deleted in the console"}
	if code, _, errs := runs(t, nil, append(order, "--url", url)...); code != exitInternal ||
		!strings.Contains(errs, "authentication.type=none") {
		t.Errorf("a stranger: exit %d %s", code, errs)
	}
	_, port, _ := strings.Cut(url, "127.0.0.1:")
	beside := append([]string{nodePort + "=" + port}, environ...)
	if code, out, errs := runs(t, beside, order...); code != exitOrderly {
		t.Errorf("the command beside it: exit %d %s%s", code, out, errs)
	}
	if _, out, _ := runs(t, nil, "keys", "list", "--url", url); !strings.Contains(out, "no keys") {
		t.Errorf("still listed: %s", out)
	}
	agent.says("an operator has looked at an API key", "deleted in the console")
	agent.signal(syscall.SIGTERM)
	agent.exit()
}
