//go:build interop

package cloudformation

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"federation-agent/test/process"
)

// agent is what ECS would have started.
type agent interface {
	// healthy runs the program with these arguments, as the health check does.
	healthy(ctx context.Context, arguments []string) error
	// journal fails where this file is not in the folder of the data.
	journal(file string) error
	// end ends it as ECS does, and gives its log.
	end() string
}

type processAgent struct {
	t       *testing.T
	dir     string
	command func(arguments ...string) *exec.Cmd
	process *process.Process
}

func startProcess(t *testing.T, binary string, environ []string) agent {
	t.Helper()
	p := processAgent{t: t, dir: t.TempDir()}
	server := httptest.NewServer(http.HandlerFunc(credentials))
	t.Cleanup(server.Close)
	// The full form, as only that may name another address than that of ECS.
	environ = append(environ, "AWS_CONTAINER_CREDENTIALS_FULL_URI="+server.URL,
		"gravitee_services_core_http_port="+freePort(t), "HOME="+p.dir)
	p.command = func(arguments ...string) *exec.Cmd {
		cmd := exec.Command(binary, arguments...)
		cmd.Env, cmd.Dir = environ, p.dir
		return cmd
	}
	var err error
	p.process, err = process.Start(p.command())
	must(t, err)
	return p
}

func (p processAgent) healthy(_ context.Context, arguments []string) error {
	if out, err := p.command(arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

func (p processAgent) journal(file string) error {
	_, err := os.Stat(filepath.Join(p.dir, "data", file))
	return err
}

func (p processAgent) end() string {
	must(p.t, p.process.End())
	return p.process.Stderr.String()
}

// freePort is one of loopback: the agent and the program that asks for its health must know the same.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", loopback+":0")
	must(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	must(t, err)
	return port
}

const (
	// project is the name of all that an engine keeps for these tests.
	project = "federation-agent-test-ecs"
	// ecsAddress is where every container of ECS finds the credentials of its task's role, at port 80.
	ecsAddress, ecsSubnet = "169.254.170.2", "169.254.170.0/24"
	credentialsPath       = "/v2/credentials/1"
)

// network makes one in which this machine has the address of ECS, and serves credentials there. Port 80 needs root.
func network(t *testing.T) string {
	t.Helper()
	docker(t, "network", "create", "--subnet", ecsSubnet, "--gateway", ecsAddress, project)
	t.Cleanup(func() { docker(t, "network", "rm", project) })
	listener, err := net.Listen("tcp", net.JoinHostPort(ecsAddress, "80"))
	must(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc(credentialsPath, credentials)
	server := httptest.NewUnstartedServer(mux)
	_ = server.Listener.Close() // the one that httptest chose
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return ecsAddress
}

// containerAgent is a project of Compose, as only that can give an engine a health check without a shell. Its arguments
// are those before the command.
type containerAgent struct {
	t         *testing.T
	arguments []string
}

func startContainer(t *testing.T, c containerDefinition, environ []string) agent {
	t.Helper()
	environ = append(environ, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="+credentialsPath)
	for i, variable := range environ {
		environ[i] = strings.ReplaceAll(variable, "$", "$$") // Compose puts its own variables in
	}
	seconds := func(n int) string { return fmt.Sprint(n, "s") }
	var volumes []any
	named := map[string]any{}
	for _, m := range c.MountPoints {
		volumes = append(volumes, map[string]any{
			"type": "volume", "source": m.SourceVolume, "target": m.ContainerPath, "read_only": m.ReadOnly,
		})
		named[m.SourceVolume] = nil
	}
	text, err := json.Marshal(map[string]any{
		"services": map[string]any{"agent": map[string]any{
			"image": c.Image, "user": c.User, "environment": environ,
			"read_only": c.ReadonlyRootFilesystem, "cap_drop": c.LinuxParameters.Capabilities.Drop,
			"init": c.LinuxParameters.InitProcessEnabled, "stop_grace_period": seconds(c.StopTimeout), "volumes": volumes,
			"healthcheck": map[string]any{
				"test": c.HealthCheck.Command, "retries": c.HealthCheck.Retries, "interval": seconds(c.HealthCheck.Interval),
				"timeout": seconds(c.HealthCheck.Timeout), "start_period": seconds(c.HealthCheck.StartPeriod),
			},
		}},
		"volumes":  named,
		"networks": map[string]any{"default": map[string]any{"name": project, "external": true}},
	})
	must(t, err)
	file := filepath.Join(t.TempDir(), "compose.json")
	must(t, os.WriteFile(file, text, 0o600))
	a := containerAgent{t, []string{"compose", "-p", project, "-f", file}}
	t.Cleanup(func() { a.run("down", "-v") })
	a.run("up", "-d")
	return a
}

// healthy waits for the engine's own word: its health check is the definition's.
func (a containerAgent) healthy(ctx context.Context, _ []string) error {
	a.t.Helper()
	return process.Await(ctx, process.Patience, "the container to be healthy", func(context.Context) (bool, error) {
		return strings.TrimSpace(a.run("ps", "--format", "{{.Health}}")) == "healthy", nil
	})
}

func (a containerAgent) journal(file string) error {
	a.run("cp", "agent:/opt/federation-agent/data/"+file, a.t.TempDir())
	return nil
}

func (a containerAgent) end() string {
	a.t.Helper()
	a.run("stop")
	return a.run("logs")
}

func (a containerAgent) run(arguments ...string) string {
	a.t.Helper()
	return docker(a.t, append(slices.Clip(a.arguments), arguments...)...)
}

func docker(t *testing.T, arguments ...string) string {
	t.Helper()
	output, err := exec.Command("docker", arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
	return string(output)
}
