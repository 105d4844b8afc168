// Package deploy holds the files that people deploy to each other and to the program: an image is built by nobody who
// runs these tests, so what it would hold is read.
package deploy

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

const root = "../../"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(root + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// instruction is the arguments of the last line of its kind in the image's last stage.
func instruction(t *testing.T, dockerfile, kind string) string {
	t.Helper()
	stage := dockerfile[strings.LastIndex(dockerfile, "\nFROM "):]
	found := regexp.MustCompile(`(?m)^`+kind+` (.*)$`).FindAllStringSubmatch(stage, -1)
	if len(found) == 0 {
		t.Fatalf("the Dockerfile's last stage has no %s", kind)
	}
	return found[len(found)-1][1]
}

func TestTheImageRunsTheBinaryThatItsFirstStageBuilds(t *testing.T) {
	dockerfile := read(t, "deployments/docker/Dockerfile")
	built := regexp.MustCompile(`go build .*-o (\S+) (\./\S+)`).FindStringSubmatch(dockerfile)
	if built == nil {
		t.Fatal("no go build")
	}
	if _, err := os.Stat(root + path.Join(built[2], "main.go")); err != nil {
		t.Errorf("what is built: %v", err)
	}
	copied := regexp.MustCompile(`(?m)^COPY --from=build ` + regexp.QuoteMeta(built[1]) + ` (\S+)$`).FindStringSubmatch(
		dockerfile,
	)
	if copied == nil {
		t.Fatalf("%s is not copied", built[1])
	}
	if got, want := instruction(t, dockerfile, "ENTRYPOINT"), `["`+copied[1]+`"]`; got != want {
		t.Errorf("ENTRYPOINT %s, want %s", got, want)
	}
	for file, argument := range map[string]string{
		"deployments/docker/Dockerfile": `\$\{%s\}`, "Taskfile.yml": `\{\{\.%s\}\}`,
	} {
		for stamp, name := range map[string]string{"version": "VERSION", "commit": "COMMIT"} {
			if !regexp.MustCompile(`-X main\.` + stamp + `=` + fmt.Sprintf(argument, name)).MatchString(read(t, file)) {
				t.Errorf("%s does not stamp the %s", file, stamp)
			}
			if !regexp.MustCompile(`(?m)^\t` + stamp + ` +string$`).MatchString(read(t, "cmd/federation-agent/version.go")) {
				t.Errorf("the program has no variable %s to be stamped", stamp)
			}
		}
	}
	for _, name := range []string{"VERSION", "COMMIT"} {
		if !strings.Contains(dockerfile, "\nARG "+name+"=") ||
			!strings.Contains(read(t, "Taskfile.yml"), "--build-arg "+name+"={{."+name+"}}") {
			t.Errorf("the image's build is not told %s", name)
		}
	}
	if !strings.Contains(read(t, "go.mod"),
		"\ngo "+regexp.MustCompile(`ARG GO_VERSION=(\S+)`).FindStringSubmatch(dockerfile)[1]) {
		t.Error("the image is built with another Go than go.mod asks for")
	}
}

func TestTheImagesUserOwnsTheVolumeThatComposeAndTheREADMEMount(t *testing.T) {
	dockerfile := read(t, "deployments/docker/Dockerfile")
	user := instruction(t, dockerfile, "USER")
	if !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("USER %s: Kubernetes' runAsNonRoot needs a number, and not root's", user)
	}
	// The default of agent.store.path is "data" in the working directory; docs/configuration.md is generated from it.
	if !strings.Contains(read(t, "docs/configuration.md"), "`gravitee_agent_store_path` | `data` |") {
		t.Error("agent.store.path has another default than data")
	}
	volume := path.Join(instruction(t, dockerfile, "WORKDIR"), "data")
	if got, want := instruction(t, dockerfile, "VOLUME"), `["`+volume+`"]`; got != want {
		t.Errorf("VOLUME %s, want %s", got, want)
	}
	if !regexp.MustCompile(`(?m)^COPY --from=build --chown=` + user + ` \S+ ` + volume + `$`).MatchString(dockerfile) {
		t.Errorf("%s does not belong to %s: a named volume takes over its owner", volume, user)
	}
	compose := read(t, "deployments/compose/docker-compose.yaml")
	mount := regexp.MustCompile(`- agent-data:(\S+)`)
	for name, text := range map[string]string{"compose": compose, "the README": read(t, "README.md")} {
		if got := mount.FindStringSubmatch(text); got == nil || got[1] != volume {
			t.Errorf("%s mounts %v, want %s", name, got, volume)
		}
	}
	if !strings.Contains(read(t, "docs/operations.md"), "`"+volume+"`") {
		t.Errorf("docs/operations.md does not name %s", volume)
	}
	for line := range strings.Lines(compose) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(read(t, "README.md"), line) {
			t.Errorf("the README's compose file lacks %q", line)
		}
	}
}

func TestTheREADMEBuildsTheImageThatComposeRuns(t *testing.T) {
	image := regexp.MustCompile(`image: ([\w-]+):`).FindStringSubmatch(read(t, "deployments/compose/docker-compose.yaml"))
	if image == nil ||
		!strings.Contains(read(t, "README.md"), "docker build -f deployments/docker/Dockerfile -t "+image[1]+" .") {
		t.Errorf("compose runs %v, and the README builds another", image)
	}
}

func TestTheHealthCheckAsksTheProgramThatTheImageHoldsAndThePortIsTheProgramsOwn(t *testing.T) {
	dockerfile, compose := read(t, "deployments/docker/Dockerfile"), read(t, "deployments/compose/docker-compose.yaml")
	entrypoint := regexp.MustCompile(`^\["(\S+)"\]$`).FindStringSubmatch(instruction(t, dockerfile, "ENTRYPOINT"))
	check := regexp.MustCompile(`(?m)^ +test: \["CMD", "(\S+)", "(\w+)"\]$`).FindStringSubmatch(compose)
	if entrypoint == nil || check == nil || check[1] != entrypoint[1] {
		t.Fatalf("the health check calls %q, the image holds %q", check, entrypoint)
	}
	if !strings.Contains(read(t, "cmd/federation-agent/ask.go"), `Use:   "`+check[2]+`"`) {
		t.Errorf("the program has no subcommand %s", check[2])
	}
	// In the image nobody is let in without a user, and the check has none.
	if !strings.Contains(compose, "- gravitee_services_core_http_authentication_type=none\n") ||
		strings.Contains(compose, "services_core_http_host") {
		t.Error("the health check is not let in, or others are")
	}
	port := instruction(t, dockerfile, "EXPOSE")
	if !strings.Contains(read(t, "docs/configuration.md"), "`gravitee_services_core_http_port` | `"+port+"` |") {
		t.Errorf("EXPOSE %s is not the default port", port)
	}
}
