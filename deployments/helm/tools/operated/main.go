// Command operated reads YAML documents on standard input and decodes each ServiceMonitor and PrometheusRule into the
// Prometheus operator's own type: a field that the type does not have is a fault. It fails if one of them is missing.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"regexp"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

var separator = regexp.MustCompile(`(?m)^---.*$`)

func main() {
	log.SetFlags(0)
	if err := check(os.Stdin); err != nil {
		log.Fatal(err)
	}
}

func check(in io.Reader) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var monitor monitoring.ServiceMonitor
	var rule monitoring.PrometheusRule
	into := map[string]any{monitoring.ServiceMonitorsKind: &monitor, monitoring.PrometheusRuleKind: &rule}
	for _, document := range separator.Split(string(text), -1) {
		var is struct{ Kind string }
		if err := yaml.Unmarshal([]byte(document), &is); err != nil {
			return err
		}
		if as := into[is.Kind]; as != nil {
			if err := yaml.UnmarshalStrict([]byte(document), as); err != nil {
				return fmt.Errorf("%s: %w", is.Kind, err)
			}
		}
	}
	if endpoints, groups := len(monitor.Spec.Endpoints), len(rule.Spec.Groups); endpoints == 0 || groups == 0 {
		return fmt.Errorf("a ServiceMonitor with %d endpoints, a PrometheusRule with %d groups", endpoints, groups)
	}
	return nil
}
