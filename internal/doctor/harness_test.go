package doctor_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"federation-agent/config"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/doctor"
	"federation-agent/internal/proxy"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/internal/sandbox/demo"
	"federation-agent/internal/secret"
)

const (
	provider0 = "gravitee_integration_providers_0_"
	endpoint0 = "gravitee_integration_connector_ws_endpoints_0"
	proxyWord = "a-proxy-password-that-must-never-be-shown"
)

// patient is what a test does to the stand-ins, the settings and the doctor.
type patient struct {
	t        *testing.T
	estate   awssim.Estate
	change   func(*demo.Options)
	settings []string // further ones; the last of a name counts
	examine  func(*doctor.Options, *demo.Sandbox)

	sandbox *demo.Sandbox
}

// newPatient has one account with two REST APIs in each of two regions.
func newPatient(t *testing.T) *patient {
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_PROFILE": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
	return &patient{t: t, estate: awssim.UniformEstate(awssim.UniformOptions{
		APIs: 2, StagesPerAPI: 1, Plans: 2, Regions: []string{"eu-west-1", "us-east-1"},
	})}
}

// results examines the patient, and fails where a secret is shown.
func (p *patient) results() []doctor.Result {
	t := p.t
	t.Helper()
	o := demo.Options{APIMAddress: "127.0.0.1:0", AWSAddress: "127.0.0.1:0", Estate: p.estate}
	if p.change != nil {
		p.change(&o)
	}
	sandbox, err := demo.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	p.sandbox = sandbox
	t.Cleanup(func() {
		if err := sandbox.Close(); err != nil {
			t.Error(err)
		}
	})
	set := map[string]string{
		"gravitee_agent_store_path": t.TempDir(), "gravitee_services_core_http_enabled": "false",
	}
	for _, s := range sandbox.Settings() {
		set[s.Name] = s.Value
		if s.Name == demo.AWSEndpointVariable {
			t.Setenv(s.Name, s.Value)
		}
	}
	for _, s := range p.settings {
		name, value, _ := strings.Cut(s, "=")
		set[name] = strings.NewReplacer(
			"%APIM%", strings.TrimPrefix(sandbox.APIMURL(), "http://"), "%AWS%", strings.TrimPrefix(sandbox.AWSURL(), "http://"),
		).Replace(value)
	}
	var environ []string
	for name, value := range set {
		environ = append(environ, name+"="+value)
	}
	cfg, _, err := config.Load(config.Sources{Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	options := doctor.Options{Config: cfg}
	options.Credentials = func(ctx context.Context, of config.Provider) (*apigateway.Credentials, error) {
		return apigateway.NewCredentials(ctx, apigateway.CredentialsOptions{
			AccessKeyID: of.AccessKeyID, SecretAccessKey: of.SecretAccessKey, RoleSessionName: "doctor",
			Regions: cfg.Accesses(of)[0].Regions,
		})
	}
	if p.examine != nil {
		p.examine(&options, sandbox)
	}
	results := doctor.Examine(t.Context(), options)
	text := table(t, results)
	for _, word := range []string{demo.DefaultToken, "sandbox-secret", proxyWord} {
		if strings.Contains(text, word) {
			t.Errorf("%q is shown\n%s", word, text)
		}
	}
	return results
}

func table(t *testing.T, results []doctor.Result) string {
	t.Helper()
	var text strings.Builder
	for _, r := range results {
		text.WriteString(strings.Join([]string{r.Check, r.About, string(r.Verdict), r.Text, r.Remedy}, " | ") + "\n")
	}
	return text.String()
}

// want is a row with words of its result and of its remedy.
type want struct {
	check   string
	verdict doctor.Verdict
	words   []string
}

// has fails unless each of the rows is there, as often as it is wanted, and no other needs attention.
func has(t *testing.T, results []doctor.Result, wants ...want) {
	t.Helper()
	left := slices.Clone(results)
	for _, w := range wants {
		i := slices.IndexFunc(left, func(r doctor.Result) bool {
			return r.Check == w.check && r.Verdict == w.verdict && !slices.ContainsFunc(w.words, func(word string) bool {
				return !strings.Contains(r.About+" "+r.Text+" | "+r.Remedy, word)
			})
		})
		if i < 0 {
			t.Errorf("there is no row %q\n%s", w, table(t, results))
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, r := range left {
		if r.Verdict == doctor.Attention {
			t.Errorf("this needs attention, too: %q\n%s", r, table(t, results))
		}
	}
}

// calls are AWS's counters.
func (p *patient) calls(t *testing.T, want map[string]int64) {
	t.Helper()
	got, all := map[string]int64{}, int64(0)
	for _, c := range p.sandbox.AWS.Counts() {
		got[c.Operation] += c.Count
		all += c.Count
	}
	for operation, n := range want {
		if got[operation] != n {
			t.Errorf("%s was called %d times, want %d", operation, got[operation], n)
		}
		all -= n
	}
	if all != 0 {
		t.Errorf("AWS was called for something else, too: %v", got)
	}
}

// through has the sessions go through a proxy.
func through(o *doctor.Options, host string, port int) {
	server := proxy.Server{Host: host, Port: port, Username: "me", Password: secret.New(proxyWord)}
	o.Dial, o.Proxy = server.Dial, server.Address()
}

// volume is a disk that fails in writing.
type volume struct{ write error }

func (v volume) WriteAt(file *os.File, data []byte, at int64) (int, error) {
	if v.write != nil {
		return 0, &os.PathError{Op: "write", Path: file.Name(), Err: v.write}
	}
	return file.WriteAt(data, at)
}

func (volume) Sync(*os.File) error       { return nil }
func (volume) Free(string) (int64, bool) { return 1 << 20, true }
func (volume) Same(string, string) bool  { return true }
