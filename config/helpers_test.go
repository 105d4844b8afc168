package config_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"federation-agent/config"
)

const (
	token     = "bearer 3b1f7c2e-token-that-nobody-may-see-0001"
	secretKey = "wJalrXUtnFEMI/K7MDENG/SECRETthatNobodySees"
)

// seed is the vendor's compose file, filled in.
func seed(more ...string) []string {
	return append(more, // the first of two equal names counts, so that a case can override one
		"gravitee_integration_connector_ws_endpoints_0=https://apim.example.com/integration-controller",
		"gravitee_integration_connector_ws_headers_0_name=Authorization",
		"gravitee_integration_connector_ws_headers_0_value="+token,
		"gravitee_integration_providers_0_configuration_accessKeyId=AKIAIOSFODNN7EXAMPLE",
		"gravitee_integration_providers_0_configuration_region=eu-west-1",
		"gravitee_integration_providers_0_configuration_secretAccessKey="+secretKey,
		"gravitee_integration_providers_0_integrationId=7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12",
		"gravitee_integration_providers_0_type=aws-api-gateway",
		"gravitee_integration_providers_0_configuration_0_stage=",
		"gravitee_integration_providers_0_configuration_1_stage=",
	)
}

// without drops variables from an environment.
func without(environ []string, names ...string) []string {
	var kept []string
next:
	for _, entry := range environ {
		for _, name := range names {
			if strings.HasPrefix(entry, name+"=") {
				continue next
			}
		}
		kept = append(kept, entry)
	}
	return kept
}

// files is an in-memory file system.
type files map[string]string

func (f files) read(name string) ([]byte, error) {
	content, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(content), nil
}

func sources(environ ...string) config.Sources {
	return config.Sources{Environ: environ, ReadFile: files{}.read}
}

func mustLoad(t *testing.T, src config.Sources) (config.Config, []string) {
	t.Helper()
	cfg, warnings, err := config.Load(src)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatalf("what Load gave is not valid: %v", err)
	}
	return cfg, warnings
}

// faultsOf loads what must not load, and checks that no message shows a secret.
func faultsOf(t *testing.T, src config.Sources) error {
	t.Helper()
	cfg, warnings, err := config.Load(src)
	if err == nil {
		t.Fatalf("Load took it: %+v", cfg)
	}
	for _, fault := range err.(interface{ Unwrap() []error }).Unwrap() {
		if !errors.As(fault, new(config.Fault)) {
			t.Fatalf("a fault is a %T", fault)
		}
	}
	for _, text := range append(warnings, err.Error()) {
		if strings.Contains(text, secretKey) || strings.Contains(text, token) {
			t.Errorf("a message shows a secret: %s", text)
		}
	}
	return err
}

// wantLines checks that there are exactly the lines that hold these fragments, in this order.
func wantLines(t *testing.T, what string, lines []string, fragments ...string) {
	t.Helper()
	if len(lines) != len(fragments) {
		t.Fatalf("%d %s, want %d:\n%s", len(lines), what, len(fragments), strings.Join(lines, "\n"))
	}
	for i, fragment := range fragments {
		if !strings.Contains(lines[i], fragment) {
			t.Errorf("%s %d is\n%s\nwithout\n%s", what, i, lines[i], fragment)
		}
	}
}

func wantFaults(t *testing.T, faults error, fragments ...string) {
	t.Helper()
	wantLines(t, "faults", strings.Split(faults.Error(), "\n"), fragments...)
}

func wantWarnings(t *testing.T, warnings []string, fragments ...string) {
	t.Helper()
	wantLines(t, "warnings", warnings, fragments...)
}
