package doctor_test

import (
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"federation-agent/internal/doctor"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/test/faults"
)

// caused are the faults of the table in docs/operations.md, each as a patient.
func caused() map[string]func(t *testing.T, p *patient) {
	denies := func(action, path string) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) {
			p.estate.Accounts[0].Principals[0].Policy = policy(action, "arn:aws:apigateway:eu-west-1::"+path)
		}
	}
	answers := func(operation string, fault awssim.Fault) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) {
			p.examine = func(o *doctor.Options, s *demo.Sandbox) {
				o.MakeAKey = operation == "CreateApiKey"
				s.AWS.Script().Add(awssim.Rule{Operation: operation, Fault: fault})
			}
		}
	}
	sets := func(settings ...string) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) { p.settings = settings }
	}
	return map[string]func(*testing.T, *patient){
		"wrong access key": sets(provider0 + "configuration_accessKeyId=AKIAIOSFODNN7EXAMPLE"),
		"role that cannot be assumed": sets(provider0 + "configuration_roleArn=arn:aws:iam::" +
			awssim.UniformAccount(0) + ":role/agent-of-another-name"),
		"one account without GetExport": denies("apigateway:GET", "/restapis/*/stages/*/exports/*"),
		"one region off": func(_ *testing.T, p *patient) {
			p.estate.Accounts[0].Regions[1].Disabled = true
			p.settings = []string{provider0 + "configuration_region=eu-west-1,us-east-1"}
		},
		"APIM away": func(t *testing.T, p *patient) {
			refusing, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			_ = refusing.Close()
			p.settings = []string{endpoint0 + "=http://" + refusing.Addr().String() + "/"}
		},
		"token revoked": sets("gravitee_integration_connector_ws_headers_0_value=bearer a-revoked-token"),
		"disk full": func(_ *testing.T, p *patient) {
			p.examine = func(o *doctor.Options, _ *demo.Sandbox) { o.Volume = volume{syscall.ENOSPC} }
		},
		"quota taken by a neighbour": answers("GetRestApis", awssim.Throttling(0)),
		"key limit reached": answers("CreateApiKey",
			awssim.Answer(429, "LimitExceededException", "Maximum number of API keys for this account has been reached.")),
		"DeleteApiKey denied": func(t *testing.T, p *patient) {
			denies("apigateway:DELETE", "/apikeys/*")(t, p)
			p.examine = func(o *doctor.Options, _ *demo.Sandbox) { o.MakeAKey = true }
		},
		"clock off": func(_ *testing.T, p *patient) {
			p.examine = func(o *doctor.Options, _ *demo.Sandbox) {
				o.Now = func() time.Time { return time.Now().Add(-10 * time.Minute) }
			}
		},
		"stage that does not exist": func(_ *testing.T, p *patient) {
			stage := p.estate.Accounts[0].Regions[0].RestAPIs[0].Stages[0].Name
			p.settings = []string{provider0 + "configuration_0_stage=" + strings.ToUpper(stage)}
		},
	}
}

func TestTheDoctorTellsEachFaultOfTheTable(t *testing.T) {
	rows, err := faults.Rows()
	if err != nil {
		t.Fatal(err)
	}
	causes := caused()
	for _, row := range rows {
		t.Run(row.Fault, func(t *testing.T) {
			cause, known := causes[row.Fault]
			delete(causes, row.Fault)
			if !known {
				t.Fatal("no test causes this fault")
			}
			p := newPatient(t)
			cause(t, p)
			said := ""
			results := p.results()
			for _, r := range results {
				if r.Verdict == doctor.Attention {
					said += strings.Join([]string{r.Check, r.About, r.Text, r.Remedy}, " | ") + "\n"
					if r.Remedy == "" {
						t.Errorf("%s has no remedy", r.Check)
					}
				}
			}
			if len(row.Said["doctor"]) < 2 {
				t.Error("the table does not say what the doctor says, and what to do")
			}
			for _, words := range row.Said["doctor"] {
				if !strings.Contains(said, words) && !strings.HasPrefix(words, "--") {
					t.Errorf("it does not say %q, but\n%s", words, said)
				}
			}
		})
	}
	for fault := range causes {
		t.Errorf("the table lacks %q", fault)
	}
}
