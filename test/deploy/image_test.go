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
	// What the first stage lays out below this folder is the image's root.
	program, below := strings.CutPrefix(built[1], "/out/root/")
	if !below || !strings.Contains(dockerfile, "\nCOPY --from=build /out/root/ /\n") {
		t.Fatalf("%s is not copied", built[1])
	}
	if got, want := instruction(t, dockerfile, "ENTRYPOINT"), `["/`+program+`"]`; got != want {
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
		// Once for the program, once for the labels.
		if strings.Count(dockerfile, "\nARG "+name+"=") != 2 ||
			!strings.Contains(read(t, "Taskfile.yml"), "--build-arg "+name+"={{."+name+"}}") {
			t.Errorf("the image's build is not told %s", name)
		}
	}
	base := regexp.MustCompile(`(?m)^ARG BASE=golang:(\S+)$`).FindStringSubmatch(dockerfile)
	if base == nil || !strings.Contains(read(t, "go.mod"), "\ngo "+base[1]) {
		t.Errorf("the image is built with %q, and go.mod asks for another Go", base)
	}
}

func TestTheImagesUserAndGroup0OwnTheVolume(t *testing.T) {
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
	// A named volume takes over the owner and the mode of what the image has there.
	owner, _, _ := strings.Cut(user, ":")
	if !strings.Contains(dockerfile, "\nCOPY --from=build --chown="+owner+":0 /out/home/ /\n") ||
		!strings.Contains(dockerfile, "install -d -m 770 /out/home"+volume+" ") {
		t.Errorf("%s is not the place of user %s and of group 0, as which OpenShift runs containers", volume, owner)
	}
	if !strings.Contains(read(t, "docs/operations.md"), "`"+volume+"`") {
		t.Errorf("docs/operations.md does not name %s", volume)
	}
}

func TestTheImageCarriesItsLicencesAndItsBillOfMaterials(t *testing.T) {
	dockerfile := read(t, "deployments/docker/Dockerfile")
	for what, command := range map[string]string{
		"licences":                  `(?m)^ && GOARCH=\$\{TARGETARCH\} sh \.ci/licences /out/root/\S+ \\$`,
		"bill of materials":         `(?m)^ && cyclonedx-gomod bin .*-output /out/root/\S+\.cdx\.json \S+ \\$`,
		"certificates to trust":     `(?m)^ && install -D -m 644 -t /out/root/etc/ssl/certs /etc/ssl/certs/ca-certificates\.crt \\$`,
		"date that does not change": `(?m)^ && find /out -exec touch -h -d "@\$\{SOURCE_DATE_EPOCH\}" \{\} \+$`,
	} {
		if !regexp.MustCompile(command).MatchString(dockerfile) {
			t.Errorf("the image has no %s", what)
		}
	}
	for _, label := range []string{"title", "description", "licenses", "version", "revision"} {
		if !strings.Contains(dockerfile, "org.opencontainers.image."+label+`="`) {
			t.Errorf("the image has no label %s", label)
		}
	}
}

func TestTheImageNamesThePortOfTheProgram(t *testing.T) {
	port := instruction(t, read(t, "deployments/docker/Dockerfile"), "EXPOSE")
	if !strings.Contains(read(t, "docs/configuration.md"), "`gravitee_services_core_http_port` | `"+port+"` |") {
		t.Errorf("EXPOSE %s is not the default port", port)
	}
}
