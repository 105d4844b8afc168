package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"federation-agent/config"
	"federation-agent/test/interop/compose"
)

const (
	composeFile = "deployments/compose/docker-compose.yaml"
	service     = "integration-agent"
	vendors     = "test/deploy/vendor/compose/"
)

// filled is what a user writes in place of the placeholders of a .env file.
var filled = strings.NewReplacer(
	"https://[your-APIM-management-API-host]", "https://apim.example.com",
	"[your-APIM-management-API-host]", "https://apim.example.com/integration-controller",
	"[your-token]", "t0ken", "[your-personal-access-token]", "t0ken", "[your-cloud-token]", "e30.eyJvcmciOiJvIiwiZW52cyI6WyJlIl0sImNwZyI6ImV1In0.c2ln", "[your-integration-id]", "int-1",
	"[organization-id]", "DEFAULT", "[your-aws-region]", "us-west-2", "[your-key-id]", "AKIAIOSFODNN7EXAMPLE",
	"[your-access-key]", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[a-password-of-your-choice]", "pass",
)

// configured is what the agent makes of the environment in the container.
func configured(t *testing.T, environment []string) (config.Config, []string) {
	t.Helper()
	cfg, warnings, err := config.Load(config.Sources{Environ: environment, ReadFile: func(string) ([]byte, error) {
		return nil, os.ErrNotExist
	}})
	if err != nil {
		t.Fatal(err)
	}
	return cfg, warnings
}

// ours is the configuration that our compose file makes of a .env file.
func ours(t *testing.T, env string) config.Config {
	t.Helper()
	environment, err := compose.Environment(read(t, composeFile), filled.Replace(env), service)
	if err != nil {
		t.Fatal(err)
	}
	cfg, warnings := configured(t, environment)
	if len(warnings) > 0 {
		t.Errorf("%q", warnings)
	}
	return cfg
}

func TestComposeReadsItsOwnExample(t *testing.T) {
	cfg := ours(t, read(t, "deployments/compose/.env.example"))
	if cfg.Connector.Endpoints[0] != "https://apim.example.com/integration-controller" ||
		cfg.Providers[0].IntegrationID != "int-1" || cfg.Providers[0].AccessKeyID.Reveal() != "AKIAIOSFODNN7EXAMPLE" {
		t.Errorf("%+v", cfg)
	}
}

// What the example has behind a # is another way into APIM and AWS: the lines are tried as a user would take them.
func TestComposeHandsOnTheOptionalSettingsOfItsExample(t *testing.T) {
	off := ours(t, read(t, "deployments/compose/.env.example")).Agent
	if off.APIM.URL != "" || off.Ingest.Schedule != "" || off.Events.IsOn() || off.Discovery.CustomDomains {
		t.Errorf("something optional is on: %+v", off)
	}
	const optional = `(?m)^# ((APIM_(URL|TOKEN|ENVIRONMENT_ID)|INGEST_SCHEDULE|EVENTS_QUEUE_URL|CUSTOM_DOMAINS)=)`
	env := regexp.MustCompile(optional).ReplaceAllString(read(t, "deployments/compose/.env.example"), "$1")
	on := ours(t, env).Agent
	if on.APIM.URL != "https://apim.example.com/management" || on.APIM.Token.Reveal() != "t0ken" ||
		on.APIM.EnvironmentID != "DEFAULT" || on.Ingest.Schedule != "0 * * * *" || !on.Events.IsOn() ||
		!on.Discovery.CustomDomains {
		t.Errorf("the optional settings of .env.example: %+v", on)
	}
}

// Beside our file a vendor's .env must mean what it means beside theirs: nothing of it is lost.
func TestComposeMakesOfAVendorsEnvWhatTheVendorsFileMakesOfIt(t *testing.T) {
	for _, name := range vendorFiles(t) {
		t.Run(name, func(t *testing.T) {
			env := filled.Replace(read(t, vendors+name+".env"))
			theirs := vendorEnvironment(t, name)
			environment, err := compose.Environment(read(t, composeFile), env, service)
			if err != nil {
				t.Fatal(err)
			}
			for _, variable := range theirs {
				// The page that installs all of APIM has one value in the file itself; ours takes it from .env.
				if name == "install-page" && strings.HasSuffix(variable, "acceptApiWithoutUsagePlan=true") {
					continue
				}
				if !slices.Contains(environment, variable) {
					t.Errorf("lost: %s", variable)
				}
			}
		})
	}
}

func vendorFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(root + vendors + "*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".yaml")
	}
	return files
}

// vendorEnvironment is what the vendor's file gives its only service.
func vendorEnvironment(t *testing.T, name string) []string {
	t.Helper()
	file, env := read(t, vendors+name+".yaml"), filled.Replace(read(t, vendors+name+".env"))
	project, err := compose.Project(file, env)
	if err != nil {
		t.Fatal(err)
	}
	environment, err := compose.Environment(file, env, project.ServiceNames()[0])
	if err != nil {
		t.Fatal(err)
	}
	return environment
}

func TestComposeFilesOfTheVendorAreTakenAsTheyAre(t *testing.T) {
	for _, name := range vendorFiles(t) {
		t.Run(name, func(t *testing.T) {
			cfg, _ := configured(t, vendorEnvironment(t, name))
			if p := cfg.Providers; len(p) != 1 || p[0].IntegrationID != "int-1" || p[0].Regions[0] != "us-west-2" {
				t.Errorf("%+v", p)
			}
			host := "apim.example.com"
			if name == "cloud-4.10" { // where endpoints are set, they win
				host = "eu.cloudgate.gravitee.io"
			}
			if !strings.HasPrefix(cfg.Connector.Endpoints[0], "https://"+host+"/") {
				t.Errorf("the session goes to %q", cfg.Connector.Endpoints)
			}
			accounts := strings.HasPrefix(name, "accounts-")
			if roles := cfg.Providers[0].RoleARNs; accounts && len(roles) != 2 ||
				strings.HasPrefix(name, "role-") && len(roles) != 1 {
				t.Errorf("%s: %q", name, roles)
			}
		})
	}
}

func TestComposeTakesAnImageOfARegistryAndOfAVersion(t *testing.T) {
	for env, want := range map[string]string{
		"": "federation-agent-aws-api-gateway:latest", "AGENT_VERSION=1.2.3": "federation-agent-aws-api-gateway:1.2.3",
		"APIM_REGISTRY=registry.example.com/apim": "registry.example.com/apim/federation-agent-aws-api-gateway:latest",
	} {
		project, err := compose.Project(read(t, composeFile), env)
		if err != nil {
			t.Fatal(err)
		}
		if got := project.Services[service].Image; got != want {
			t.Errorf("%s gives %s, want %s", env, got, want)
		}
	}
	if !strings.Contains(read(t, "README.md"), "docker build -f deployments/docker/Dockerfile -t federation-agent-aws-api-gateway .") {
		t.Error("the README builds another image")
	}
}

func TestComposeIsHealthyInTimeAndAsksTheProgramOfTheImage(t *testing.T) {
	project, err := compose.Project(read(t, composeFile), "")
	if err != nil {
		t.Fatal(err)
	}
	s := project.Services[service]
	check := s.HealthCheck
	entrypoint := instruction(t, read(t, "deployments/docker/Dockerfile"), "ENTRYPOINT")
	if len(check.Test) != 3 || entrypoint != `["`+check.Test[1]+`"]` {
		t.Fatalf("the health check calls %q, the image holds %s", check.Test, entrypoint)
	}
	if !strings.Contains(read(t, "cmd/federation-agent/ask.go"), `Use:   "`+check.Test[2]+`"`) {
		t.Errorf("the program has no subcommand %s", check.Test[2])
	}
	// Docker asks for the first time when the interval is over. No start_interval: engines before 25 refuse it.
	if first := time.Duration(*check.Interval) + time.Duration(*check.Timeout); first > 10*time.Second ||
		check.StartInterval != nil {
		t.Errorf("healthy after %v", first)
	}
	if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) ||
		!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
		t.Error("the container may do more than it needs")
	}
	if got, want := s.Volumes[0].Target, path0(instruction(t, read(t, "deployments/docker/Dockerfile"), "VOLUME")); got != want {
		t.Errorf("the journal's volume is mounted at %s, and the image keeps it at %s", got, want)
	}
}

// path0 is the only entry of a list in a Dockerfile.
func path0(list string) string { return strings.Trim(list, `["]`) }

// Closed: in the container nobody is let in without a user, and the check has none; from outside nobody reaches it.
// Opened as the comment says: a password is demanded, and the port is this machine's alone.
func TestComposeOpensPageAndMetricsOnlyWithAPassword(t *testing.T) {
	closed := read(t, composeFile)
	env := read(t, "deployments/compose/.env.example")
	cfg := ours(t, env)
	if s := cfg.Services; s.HTTP.Host != "localhost" || s.Metrics.Enabled {
		t.Errorf("closed: %+v", s)
	}
	if project, err := compose.Project(closed, env); err != nil || len(project.Services[service].Ports) > 0 {
		t.Errorf("closed, with ports: %v", err)
	}

	opened := regexp.MustCompile(`(?m)^.*authentication_type=none\n`).ReplaceAllString(closed, "")
	opened = regexp.MustCompile(`(?m)^( +)# (- |ports:)`).ReplaceAllString(opened, "$1$2")
	if _, err := compose.Project(opened, env); err == nil || !strings.Contains(err.Error(), "set it in .env") {
		t.Errorf("opened without a password: %v", err)
	}
	env = strings.Replace(env, "# NODE_API_PASSWORD", "NODE_API_PASSWORD", 1)
	project, err := compose.Project(opened, filled.Replace(env))
	if err != nil {
		t.Fatal(err)
	}
	if ports := project.Services[service].Ports; len(ports) != 1 || ports[0].HostIP != "127.0.0.1" ||
		ports[0].Published != "18084" {
		t.Errorf("%+v", ports)
	}
	environment, err := compose.Environment(opened, filled.Replace(env), service)
	if err != nil {
		t.Fatal(err)
	}
	cfg, warnings := configured(t, environment)
	if s := cfg.Services; len(warnings) > 0 || s.HTTP.Host != "0.0.0.0" || !s.Metrics.Enabled ||
		s.HTTP.Authentication.Type != config.AuthenticationBasic || len(s.HTTP.Authentication.Users) != 1 {
		t.Errorf("opened: %q, %+v", warnings, s)
	}
}

func TestComposeRunsTwoThatShareATableWithoutAVolume(t *testing.T) {
	file, more := read(t, composeFile), read(t, "deployments/compose/replicas.yaml")
	env := filled.Replace(read(t, "deployments/compose/.env.example"))
	if _, err := compose.Project(file, env, more); err == nil || !strings.Contains(err.Error(), "set it in .env") {
		t.Errorf("without a table: %v", err)
	}
	env = regexp.MustCompile(`(?m)^# (JOURNAL_)`).ReplaceAllString(env, "$1")
	project, err := compose.Project(file, env, more)
	if err != nil {
		t.Fatal(err)
	}
	s := project.Services[service]
	if *s.Deploy.Replicas != 2 || len(s.Volumes) > 0 || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
		t.Errorf("%d replicas with %d volumes, read-only: %v", *s.Deploy.Replicas, len(s.Volumes), s.ReadOnly)
	}
	environment, err := compose.Environment(file, env, service, more)
	if err != nil {
		t.Fatal(err)
	}
	cfg, warnings := configured(t, environment)
	agent := cfg.Agent
	if len(warnings) > 0 || agent.Store.Table.Name != "federation-agent" || agent.Store.Table.Region != "eu-west-1" {
		t.Errorf("%q, %+v", warnings, agent.Store)
	}
	if grace := time.Duration(*s.StopGracePeriod); grace <= agent.Shutdown.Handover+agent.Shutdown.Timeout {
		t.Errorf("killed after %s, before an orderly end is over", grace)
	}
}
