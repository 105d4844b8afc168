package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// unwritable is a standard output that is closed, or a disk that is full.
type unwritable struct{}

var errUnwritable = errors.New("no space left on device")

func (unwritable) Write([]byte) (int, error) { return 0, errUnwritable }

// cruel is a node API that answers every question with this code and text.
func cruel(t *testing.T, code int, text string) (url string) {
	t.Helper()
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		fmt.Fprint(w, text)
	}))
	t.Cleanup(agent.Close)
	return agent.URL
}

// asks are all commands that ask a running agent, but health, whose answer is printed whatever it is.
var asks = []string{
	"status", "status --json", "keys list", "keys ack 0f3c1a2b --reason r", "keys delete 0f3c1a2b --reason r", "log-level",
	"log-level debug", "support-bundle -o -",
}

func TestWhatTheAgentCannotMakeSenseOfIsAWrongFlag(t *testing.T) {
	url := cruel(t, http.StatusBadRequest, `{"error": "there is no state foo"}`)
	for _, ask := range asks {
		code, out, errs := runs(t, nil, append(strings.Fields(ask), "--url", url)...)
		if code != exitConfiguration || errs != "the agent refuses it: there is no state foo\n" || out != "" {
			t.Errorf("%s: exit %d %q %q", ask, code, out, errs)
		}
	}
}

func TestARefusalIsToldInWords(t *testing.T) {
	url := cruel(t, http.StatusForbidden, `{"error": "this node API knows no users"}`)
	for _, ask := range asks {
		code, out, errs := runs(t, nil, append(strings.Fields(ask), "--url", url)...)
		if code != exitInternal || !strings.HasSuffix(errs, ": this node API knows no users\n") || out != "" {
			t.Errorf("%s: exit %d %q %q", ask, code, out, errs)
		}
	}
}

func TestAnAnswerThatCannotBeReadIsNoFaultOfTheCommandLine(t *testing.T) {
	url := cruel(t, http.StatusOK, "<html>a sign-in page")
	for _, ask := range []string{"status", "keys list", "keys ack 0f3c1a2b --reason r", "log-level"} {
		code, _, errs := runs(t, nil, append(strings.Fields(ask), "--url", url)...)
		if code != exitInternal || !strings.Contains(errs, "the agent's answer cannot be read") {
			t.Errorf("%s: exit %d %q", ask, code, errs)
		}
	}
}

func TestWhatCannotBePrintedIsNoFaultOfTheCommandLine(t *testing.T) {
	url := cruel(t, http.StatusOK, "{}")
	for _, line := range []string{
		"status", "status --json", "keys list", "keys list --json", "log-level", "log-level --json", "support-bundle -o -", "health",
	} {
		var errs strings.Builder
		code := execute(process{
			args: append(strings.Fields(line), "--url", url), stdout: unwritable{}, stderr: &errs,
		})
		if code != exitInternal || !strings.Contains(errs.String(), errUnwritable.Error()) {
			t.Errorf("%s: exit %d %q", line, code, errs.String())
		}
	}
	var errs strings.Builder
	if code := execute(process{args: []string{"version"}, stdout: unwritable{}, stderr: &errs}); code != exitInternal {
		t.Errorf("version: exit %d %q", code, errs.String())
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	url := cruel(t, http.StatusOK, "{}")
	for line, says := range map[string]string{
		"help stauts":                              "did you mean status?",
		"help keys lst":                            "did you mean list?",
		"completion fsh":                           "did you mean bash or fish or zsh?",
		"keys list --limit -1 --url " + url:        "--limit",
		"keys delete x --reason r --wait -1s":      "--wait",
		"log-level --for 1h --url " + url:          "--for says how long",
		"log-level reset --for 1h --url " + url:    "--for says how long",
		"status --interval 5s --url " + url:        "--interval is for --watch",
		"status --json --interval 5s --url " + url: "--interval is for --watch",
		"status --config x.yml --url " + url:       "--config is for the agent on this machine",
		"status --ca-file x.pem --url " + url:      "--ca-file is for https",
		"demo --once --apis 5":                     "--apis is for --estate uniform",
		"sandbox --quota=false --quota-scale 2":    "--quota-scale has no effect",
	} {
		code, out, errs := runs(t, nil, strings.Fields(line)...)
		if code != exitConfiguration || !strings.Contains(errs, says) || out != "" {
			t.Errorf("%s: exit %d %.100q %q", line, code, out, errs)
		}
	}
	for _, line := range []string{"help", "help keys list", "completion", "keys", "config", "completion bash", "log-level --help"} {
		if code, out, errs := runs(t, nil, strings.Fields(line)...); code != exitOrderly || out == "" {
			t.Errorf("%s: exit %d %q", line, code, errs)
		}
	}
}

func TestAnAnswerThatIsTooLongIsNotTakenForAWholeOne(t *testing.T) {
	if text, err := readAtMost(strings.NewReader("1234"), 4); err != nil || string(text) != "1234" {
		t.Errorf("%q %v", text, err)
	}
	if _, err := readAtMost(strings.NewReader(strings.Repeat("x", 1<<20+1)), 1<<20); err == nil ||
		!strings.Contains(err.Error(), "longer than the 1 MiB") {
		t.Errorf("%v", err)
	}
}
