//go:build engine

// Package engine starts what people deploy on a real container engine, with this project's image. It needs Docker with
// Compose 2 and the image; `task deploy-compose` builds that.
package engine

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"federation-agent/test/interop/compose"
)

var image = flag.String("image", "federation-agent-aws-api-gateway", "the image to start")

const (
	vendors = "../vendor/compose/"
	ours    = "../../../deployments/compose/"
	// connectWithin is what a started container may take to be Connected, on a busy machine.
	connectWithin = 60 * time.Second
	prefix        = "federation-agent-test-"
	integration   = "int-1"
	apimToken     = "t0ken"
	// A JWT that names the gate eu.
	cloudToken = "e30.eyJvcmciOiJvIiwiZW52cyI6WyJlIl0sImNwZyI6ImV1In0.c2ln"
	gateName   = "eu.cloudgate.gravitee.io"
	cloudFile  = "cloud-4.10" // the only one without an endpoint
)

func docker(t *testing.T, args ...string) string {
	t.Helper()
	output, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return strings.TrimSpace(string(output))
}

// machine is the address at which every container finds this machine.
func machine(t *testing.T) string {
	t.Helper()
	return docker(t, "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}")
}

// sandbox starts the stand-in for APIM from the image.
func sandbox(t *testing.T, token string) (url string) {
	t.Helper()
	address := machine(t) + ":0"
	id := docker(t, "run", "-d", "--network", "host", "--read-only", *image, "sandbox",
		"--apim", address, "--aws", address, "--token", token, "--integration-id", integration)
	t.Cleanup(func() { docker(t, "rm", "-f", "-v", id) })
	for range 100 {
		if said := regexp.MustCompile(`APIM: (http://\S+)/ `).FindStringSubmatch(docker(t, "logs", id)); said != nil {
			return said[1]
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("the stand-in does not say where it is:\n%s", docker(t, "logs", id))
	return ""
}

// await looks at the agents that APIM shows as Connected until there are as many.
func await(t *testing.T, apim string, want int) time.Duration {
	t.Helper()
	began := time.Now()
	var agents []struct{ IntegrationID string }
	for time.Since(began) < connectWithin {
		response, err := http.Get(apim + "/_sandbox/apim/agents")
		if err != nil {
			t.Fatal(err)
		}
		err = json.NewDecoder(response.Body).Decode(&agents)
		_ = response.Body.Close() // it was read
		if err != nil {
			t.Fatal(err)
		}
		if len(agents) == want {
			return time.Since(began)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%+v are connected, want %d", agents, want)
	return 0
}

// project is one compose file, with its .env filled in.
type project struct {
	t         *testing.T
	arguments []string
}

func newProject(t *testing.T, file, env, name string, more ...string) project {
	t.Helper()
	filled := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(filled, []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
	p := project{t, append([]string{"compose", "-p", prefix + strings.ReplaceAll(name, ".", "-"), "--env-file", filled, "-f", file}, more...)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", p.run("logs"))
		}
		p.run("down", "-v", "-t", "10")
	})
	return p
}

func (p project) run(args ...string) string {
	p.t.Helper()
	return docker(p.t, append(slices.Clip(p.arguments), args...)...)
}

func fill(text, apim string) string {
	endpoint := apim + "/integration-controller"
	return strings.NewReplacer(
		"https://[your-APIM-management-API-host]/integration-controller", endpoint,
		"[your-APIM-management-API-host]", endpoint,
		"[your-token]", apimToken, "[your-cloud-token]", cloudToken, "[your-integration-id]", integration, "[organization-id]", "DEFAULT",
		"[your-aws-region]", "eu-west-1", "[your-key-id]", "AKIAIOSFODNN7EXAMPLE", "[your-access-key]", "s/ecret+1",
		"[a-password-of-your-choice]", "pass",
	).Replace(text)
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// override is a second compose file, of what is changed in the first.
func override(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "override.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTheVendorsComposeFilesRunWithOnlyTheImageChanged(t *testing.T) {
	files, err := filepath.Glob(vendors + "*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	apim := sandbox(t, apimToken)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if name == cloudFile {
			continue // has no address of APIM in it: below
		}
		t.Run(name, func(t *testing.T) {
			env := fill(read(t, vendors+name+".env"), apim)
			start(t, apim, file, env, "")
		})
	}
}

// Only the gate is ours: its name leads to this machine, and the agent trusts its authority, too.
func TestTheVendorsComposeFileForGraviteeCloudRunsWithOnlyTheImageChanged(t *testing.T) {
	apim := sandbox(t, cloudToken)
	authority := gate(t, apim)
	start(t, apim, vendors+cloudFile+".yaml", fill(read(t, vendors+cloudFile+".env"), apim), fmt.Sprintf(
		", extra_hosts: [%q], environment: [SSL_CERT_FILE=/authority.pem], volumes: [%q]",
		gateName+":"+machine(t), authority+":/authority.pem:ro"))
}

// start starts a vendor's file with only the image changed, and what is added; sees it Connected, and ends it.
func start(t *testing.T, apim, file, env, added string) {
	t.Helper()
	described, err := compose.Project(read(t, file), env)
	if err != nil {
		t.Fatal(err)
	}
	changed := override(t, fmt.Sprintf("services: {%s: {image: %q%s}}\n", described.ServiceNames()[0], *image, added))
	p := newProject(t, file, env, strings.TrimSuffix(filepath.Base(file), ".yaml"), "-f", changed)
	p.run("up", "-d")
	t.Logf("Connected after %v", await(t, apim, 1).Round(time.Millisecond))
	p.run("stop", "-t", "10")
	if log := p.run("logs"); !strings.Contains(log, "ended in order") {
		t.Errorf("the agent did not end in order:\n%s", log)
	}
	await(t, apim, 0)
}

func TestOurComposeFileIsHealthyWithinTenSeconds(t *testing.T) {
	apim := sandbox(t, apimToken)
	changed := override(t, fmt.Sprintf("services: {integration-agent: {image: %q}}\n", *image))
	p := newProject(t, ours+"docker-compose.yaml", fill(read(t, ours+".env.example"), apim), "ours", "-f", changed)
	began := time.Now()
	p.run("up", "-d", "--wait")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("healthy after %v", took)
	} else {
		t.Logf("healthy after %v", took.Round(time.Millisecond))
	}
	await(t, apim, 1)
	if status := p.run("exec", "-T", "integration-agent", "/federation-agent", "status"); !strings.Contains(status, integration) {
		t.Errorf("the status page: %s", status)
	}
}

// Opened as the comment in the file says, the page asks for the password, and is on this machine alone.
func TestOurComposeFileOpensPageAndMetricsToWhoKnowsThePassword(t *testing.T) {
	apim := sandbox(t, apimToken)
	opened := regexp.MustCompile(`(?m)^.*authentication_type=none\n`).ReplaceAllString(read(t, ours+"docker-compose.yaml"), "")
	opened = regexp.MustCompile(`(?m)^( +)# (- |ports:)`).ReplaceAllString(opened, "$1$2")
	env := strings.Replace(read(t, ours+".env.example"), "# NODE_API_PASSWORD", "NODE_API_PASSWORD", 1)
	changed := override(t, fmt.Sprintf("services: {integration-agent: {image: %q}}\n", *image))
	p := newProject(t, override(t, opened), fill(env, apim), "opened", "-f", changed)
	p.run("up", "-d", "--wait")
	for _, path := range []string{"federation", "metrics/prometheus"} {
		for password, want := range map[string]int{"": http.StatusUnauthorized, "pass": http.StatusOK} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost:18084/_node/"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if password != "" {
				request.SetBasicAuth("admin", password)
			}
			response, err := http.DefaultClient.Do(request)
			cancel()
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close() // only the status counts
			if response.StatusCode != want {
				t.Errorf("%s with password %q: %s", path, password, response.Status)
			}
		}
	}
}
