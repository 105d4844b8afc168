package main

import (
	"encoding/json"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"federation-agent/internal/doctor"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
)

// examined runs doctor --json.
func examined(t *testing.T, environ []string, args ...string) (results map[string]doctor.Result, code int) {
	t.Helper()
	c := start(t, environ, append([]string{"doctor", "--json"}, args...)...)
	code = c.exit()
	var printed struct {
		Healthy bool
		Checks  []doctor.Result
	}
	if err := json.Unmarshal([]byte(c.Stdout.String()), &printed); err != nil {
		t.Fatalf("%v: the standard output is for machines\n%s\n%s", err, c.Stdout.String(), c.log())
	}
	if printed.Healthy != (code == exitOrderly) {
		t.Errorf("exit code %d with %+v", code, printed)
	}
	results = map[string]doctor.Result{}
	for _, r := range printed.Checks {
		results[r.Check] = r
	}
	for _, word := range []string{demo.DefaultToken, "sandbox-secret", nodePassword} {
		if strings.Contains(c.Stdout.String()+c.log(), word) {
			t.Errorf("%q is shown\n%s", word, c.Stdout.String())
		}
	}
	return results, code
}

func TestTheDoctorExaminesWhileAnAgentServesAndDoesNotDisturbIt(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	environ := settings(t, s, withNode()...)
	agent := start(t, environ)
	connected(t, s)
	agent.says("connected to APIM")
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(nodeURL(agent), "http://"))
	environ = append(environ, nodePort+"="+port)
	for range 3 {
		during, code := examined(t, environ)
		if code != exitOrderly || during["node API"].Text != "an agent serves it" ||
			!strings.Contains(during["store"].Text, "an agent uses it") || during["integration"].Verdict != doctor.Good {
			t.Errorf("exit code %d, %+v", code, during)
		}
		if _, err := s.APIM.Preview(t.Context(), demo.DefaultIntegrationID); err != nil {
			t.Error(err)
		}
	}
	// One that lets nobody in is known, too; and without the user's password.
	if other, code := examined(t, append(environ, nodeUsers+"admin=other")); code != exitOrderly ||
		other["node API"].Text != "an agent serves it" {
		t.Errorf("exit code %d, %+v", code, other)
	}
	if agents := s.APIM.Agents(); len(agents) != 1 || len(s.APIM.Problems()) > 0 {
		t.Errorf("agents %+v, problems %+v", agents, s.APIM.Problems())
	}
	agent.signal(os.Interrupt)
	if code := agent.exit(); code != exitOrderly || strings.Count(agent.log(), "connected to APIM") != 1 {
		t.Errorf("exit code %d\n%s", code, agent.log())
	}
}

func TestTheDoctorsExitCodeAndTableSayWhatNeedsAttention(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	environ := settings(t, s, nodeEnabled+"=true", nodePort+"="+port, "gravitee_services_core_http_host=127.0.0.1")
	go func() { // whatever it is, it is no node API
		for {
			conn, err := taken.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	c := start(t, environ, "doctor")
	if code := c.exit(); code != exitInternal {
		t.Errorf("exit code %d", code)
	}
	c.prints("node API 127.0.0.1:"+port, "ATTENTION: no agent answers", "end the program that has the")
	c.prints("1 need attention")
	if strings.Contains(c.Stdout.String(), "\x1b") {
		t.Error("there is colour, and no terminal")
	}
	faulty := start(t, []string{"gravitee_integration_providers_0_type=solace"}, "doctor")
	if code := faulty.exit(); code != exitConfiguration || faulty.Stdout.String() != "" {
		t.Errorf("exit code %d\n%s", code, faulty.Stdout.String())
	}
	faulty.says("fault: ", "endpoints_0: is missing")
}

func TestCtrlCInTheMiddleOfADoctorShowsWhatWasFoundAndLeavesNoKey(t *testing.T) {
	t.Parallel()
	// A call is counted once it is answered, so the one before tells that a call is under way.
	for operation, c := range map[string]struct {
		before string
		keys   int64
	}{"GetRestApis": {"GetCallerIdentity", 0}, "CreateUsagePlanKey": {"CreateApiKey", 1}} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t, nil)
			s.AWS.Script().Add(awssim.Rule{Operation: operation, Fault: awssim.Slow(time.Second)})
			examining := start(t, settings(t, s), "doctor", "--make-a-key")
			await(t, s, c.before, func() bool { return s.AWS.CallCount(c.before) > 0 })
			examining.signal(os.Interrupt)
			if code := examining.exit(); code != exitInternal {
				t.Errorf("exit code %d\n%s", code, examining.log())
			}
			examining.says("interrupted")
			examining.prints("credentials")
			made, deleted := s.AWS.CallCount("CreateApiKey"), s.AWS.CallCount("DeleteApiKey")
			if left := s.AWS.Keys(); made != c.keys || deleted != c.keys || len(left) != 0 {
				t.Errorf("%d keys were made, %d deleted, and %v left\n%s", made, deleted, left, examining.Stdout.String())
			}
		})
	}
}

func TestASecondCtrlCEndsADoctorAtOnce(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	s.AWS.Script().Add(awssim.Rule{Operation: "CreateUsagePlanKey", Fault: awssim.Of(awssim.FaultHang)})
	c := start(t, settings(t, s), "doctor", "--make-a-key")
	await(t, s, "a key", func() bool { return s.AWS.CallCount("CreateApiKey") > 0 })
	c.signal(os.Interrupt)
	began := time.Now()
	// The program may hear of the first signal late, and counts from then.
	await(t, s, "a signal that is not the same", func() bool { return time.Since(began) > 3*sameSignal })
	c.signal(syscall.SIGTERM)
	if code := c.exit(); code != exitSignal+int(syscall.SIGTERM) {
		t.Errorf("exit code %d\n%s", code, c.log())
	}
}

func TestTheDoctorMakesAKeyOnlyWhereItIsTold(t *testing.T) {
	t.Parallel()
	s := newSandbox(t, nil)
	if without, code := examined(t, settings(t, s)); code != exitOrderly || without["keys"].Verdict != doctor.NotTried ||
		s.AWS.CallCount("CreateApiKey") != 0 {
		t.Errorf("exit code %d, %+v", code, without)
	}
	with, code := examined(t, settings(t, s), "--make-a-key")
	if code != exitOrderly || with["keys"].Verdict != doctor.Good || s.AWS.CallCount("CreateApiKey") != 1 ||
		len(s.AWS.Keys()) != 0 {
		t.Errorf("exit code %d, %+v, keys %v", code, with, s.AWS.Keys())
	}
}
