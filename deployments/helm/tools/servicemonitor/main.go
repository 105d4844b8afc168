// Command servicemonitor reads YAML documents on standard input and decodes each ServiceMonitor into the Prometheus
// operator's own type: a field that the type does not have is a fault. It fails if there is none.
package main

import (
	"errors"
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
	found := 0
	for _, document := range separator.Split(string(text), -1) {
		var kind struct{ Kind string }
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			return err
		}
		if kind.Kind != monitoring.ServiceMonitorsKind {
			continue
		}
		found++
		var monitor monitoring.ServiceMonitor
		if err := yaml.UnmarshalStrict([]byte(document), &monitor); err != nil {
			return fmt.Errorf("ServiceMonitor: %w", err)
		}
		if len(monitor.Spec.Endpoints) == 0 {
			return errors.New("ServiceMonitor: no endpoint")
		}
	}
	if found == 0 {
		return errors.New("no ServiceMonitor")
	}
	return nil
}
