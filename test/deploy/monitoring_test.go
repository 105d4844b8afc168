package deploy

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const monitoringFolder = "deployments/monitoring/"

// alerting is a file of rules, or of tests of rules.
type alerting struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
	Tests []struct {
		Name           string
		AlertRuleTests []struct {
			Alertname string
			ExpAlerts []any `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

func readAlerting(t *testing.T, name string) (a alerting) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, monitoringFolder+name)), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// dashboard is the expressions of all panels.
func dashboard(t *testing.T) (expressions []string) {
	t.Helper()
	var board struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, monitoringFolder+"dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		if len(p.Targets) == 0 && p.Type != "row" || p.Title == "" {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	return expressions
}

var (
	documentedRow = regexp.MustCompile("(?m)^\\| (`federation_agent_[^|]*) \\|([^|]*)\\|")
	metricName    = regexp.MustCompile(`federation_agent_[a-z_]+`)
	grouping      = regexp.MustCompile(`by \(([^)]*)\)`)
	matchers      = regexp.MustCompile(`\{([^}]*)\}`)
	matcher       = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
)

// documentedMetrics is the labels of each metric, as docs/operations.md has them; a test holds that to the metrics.
func documentedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	metrics := map[string][]string{}
	for _, row := range documentedRow.FindAllStringSubmatch(read(t, "docs/operations.md"), -1) {
		for _, name := range metricName.FindAllString(row[1], -1) {
			metrics[name] = strings.FieldsFunc(row[2], func(r rune) bool { return r == ',' || r == ' ' })
		}
	}
	if len(metrics) < 30 {
		t.Fatalf("%d metrics are documented", len(metrics))
	}
	return metrics
}

func TestMonitoringAsksForMetricsAndLabelsThatExist(t *testing.T) {
	metrics := documentedMetrics(t)
	expressions := dashboard(t)
	for _, g := range readAlerting(t, "rules.yml").Groups {
		for _, r := range g.Rules {
			expressions = append(expressions, r.Expr)
		}
	}
	for _, e := range expressions {
		labels := []string{"job", "instance", "le"}
		for _, name := range metricName.FindAllString(e, -1) {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
			of, exists := metrics[name]
			if !exists {
				t.Errorf("there is no metric %s, which is asked for in %s", name, e)
			}
			labels = append(labels, of...)
		}
		var asked []string
		for _, by := range grouping.FindAllStringSubmatch(e, -1) {
			asked = append(asked, strings.Split(by[1], ", ")...)
		}
		for _, braces := range matchers.FindAllStringSubmatch(e, -1) {
			for _, m := range matcher.FindAllStringSubmatch(braces[1], -1) {
				asked = append(asked, m[1])
			}
		}
		for _, label := range asked {
			if !slices.Contains(labels, label) {
				t.Errorf("there is no label %s, which is asked for in %s", label, e)
			}
		}
	}
}

func TestMonitoringSaysOfEachAlertWhatToDo(t *testing.T) {
	tested := map[string]bool{}
	for _, test := range readAlerting(t, "rules_test.yml").Tests {
		for _, when := range test.AlertRuleTests {
			tested[when.Alertname] = tested[when.Alertname] || len(when.ExpAlerts) > 0
		}
	}
	alerts := map[string]bool{}
	for _, g := range readAlerting(t, "rules.yml").Groups {
		for _, r := range g.Rules {
			alerts[r.Alert] = true
			for _, name := range []string{"summary", "description", "remedy", "runbook"} {
				if r.Annotations[name] == "" {
					t.Errorf("%s has no %s", r.Alert, name)
				}
			}
			file, anchor, _ := strings.Cut(r.Annotations["runbook"], "#")
			if !strings.Contains(strings.ToLower(read(t, file)), "\n### "+anchor+"\n") || anchor != strings.ToLower(r.Alert) {
				t.Errorf("%s has no section %s in %s", r.Alert, anchor, file)
			}
			if s := r.Labels["severity"]; s != "critical" && s != "warning" {
				t.Errorf("%s has the severity %q", r.Alert, s)
			}
			if !tested[r.Alert] {
				t.Errorf("no test shows that %s fires", r.Alert)
			}
		}
	}
	_, runbooks, _ := strings.Cut(read(t, "docs/runbooks.md"), "\n## Alerts\n")
	for _, heading := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(runbooks, -1) {
		if !alerts[heading[1]] {
			t.Errorf("the runbook %s is of no alert", heading[1])
		}
	}
	manager := read(t, monitoringFolder+"alertmanager.yml")
	for _, name := range regexp.MustCompile(`"(FederationAgent[A-Za-z]*)"`).FindAllStringSubmatch(manager, -1) {
		if !alerts[name[1]] {
			t.Errorf("alertmanager.yml names %s, which is no alert", name[1])
		}
	}
}

func TestMonitoringReadsTheNodeAPIAsItIs(t *testing.T) {
	var prometheus struct {
		RuleFiles []string `yaml:"rule_files"`
		Scrapes   []struct {
			Job     string            `yaml:"job_name"`
			Path    string            `yaml:"metrics_path"`
			Auth    map[string]string `yaml:"basic_auth"`
			Targets []struct{ Targets []string }
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, monitoringFolder+"prometheus.yml")), &prometheus); err != nil {
		t.Fatal(err)
	}
	s := prometheus.Scrapes[0]
	if s.Path != "/_node/metrics/prometheus" {
		t.Errorf("metrics_path is %s", s.Path)
	}
	if !slices.Contains(slices.Collect(maps.Keys(s.Auth)), "password_file") || !strings.Contains(s.Job, "federation-agent") ||
		!slices.Equal(prometheus.RuleFiles, []string{"rules.yml"}) {
		t.Errorf("%+v", prometheus)
	}
}

// A chart can only read files of its own.
func TestTheChartHasTheRulesOfMonitoring(t *testing.T) {
	const chart = "deployments/helm/federation-agent-aws-api-gateway/files/rules.yml"
	if read(t, chart) != read(t, monitoringFolder+"rules.yml") {
		t.Errorf("the chart has other rules: cp %srules.yml %s", monitoringFolder, chart)
	}
}
