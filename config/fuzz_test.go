package config_test

import (
	"errors"
	"strings"
	"testing"

	"federation-agent/config"
)

// FuzzLoad feeds an environment (one assignment a line) and a YAML file on top of a sound environment. Whatever
// they hold, Load ends, explains a refusal, gives nothing that Validate refuses, and shows no secret.
func FuzzLoad(f *testing.F) {
	f.Add(provider0+"configuration_1_stage=dev", strings.ReplaceAll(wholeYAML, "${TOKEN:none}", "x"))
	f.Add("GRAVITEE_AGENT_QUOTA_SHARE=101\ngravitee_cloud_token=x", "a: &a\n  b: *a\n")
	f.Add("gravitee_agent_aws_externalId=${A:${B:${A}}}\nA=${B}\nB=${A}", "agent:\n  <<: {log: {level: debug}}\n")
	f.Fuzz(func(t *testing.T, environ, yaml string) {
		src := config.Sources{
			Environ:  seed(strings.Split(environ, "\n")...),
			Files:    []string{"g.yml"},
			ReadFile: files{"g.yml": yaml}.read,
		}
		cfg, warnings, err := config.Load(src)
		// A placeholder may carry a secret to where none belongs; that is the user's doing.
		misled := strings.Contains(environ+yaml, "${")
		for _, w := range warnings {
			if !misled && showsSecret(w) {
				t.Errorf("a warning shows a secret: %s", w)
			}
			if strings.ContainsAny(w, "\r\n") {
				t.Errorf("a warning is more than one line: %q", w)
			}
		}
		if err != nil {
			faults := err.(interface{ Unwrap() []error }).Unwrap()
			if len(faults) == 0 || !errors.As(faults[0], new(config.Fault)) {
				t.Errorf("refused without a fault: %v", err)
			}
			if got := strings.Count(err.Error(), "\n") + 1; got != len(faults) {
				t.Errorf("%d faults on %d lines: %v", len(faults), got, err)
			}
			if !misled && showsSecret(err.Error()) {
				t.Errorf("a fault shows a secret: %v", err)
			}
			return
		}
		if err := cfg.Validate(); err != nil {
			t.Errorf("Load took what Validate refuses: %v", err)
		}
	})
}

func showsSecret(text string) bool {
	return strings.Contains(text, secretKey) || strings.Contains(text, token)
}
