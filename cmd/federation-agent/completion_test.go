package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// everyCommand are all but those that cobra itself adds.
func everyCommand(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, c := range root.Commands() {
		all = append(all, everyCommand(c)...)
	}
	return all
}

func TestEveryCommandHasAnExampleAndItsExitCodes(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z -]+)` \\|.* \\| .+ \\| .+ \\| .+ \\|$").FindAllSubmatch(page, -1) {
		rows[string(row[1])] = true
	}
	root := rootCommand(process{})
	for _, c := range everyCommand(root) {
		path := c.CommandPath()
		if c.Short == "" || !strings.HasSuffix(c.Long, ".") || !strings.Contains(c.Example, "federation-agent") {
			t.Errorf("%s: Short %q, Long %q, Example %q", path, c.Short, c.Long, c.Example)
		}
		if !regexp.MustCompile(`Exit codes?`).MatchString(c.Long) {
			t.Errorf("%s --help does not say the exit codes", path)
		}
		if name := strings.TrimPrefix(path, "federation-agent "); !c.HasSubCommands() && !rows[name] {
			t.Errorf("docs/operations.md has no row of exit codes of `%s`", name)
		}
		for line := range strings.Lines(c.Long + "\n" + c.Example) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 120 {
				t.Errorf("%s --help has a line of %d characters", path, n)
			}
		}
	}
}

func TestWhatIsMisspeltIsGuessed(t *testing.T) {
	for args, want := range map[string]string{
		"doctr":                 `unknown command "doctr" for "federation-agent"; did you mean doctor?`,
		"config prnt":           "did you mean print?",
		"discover --chnaged":    "unknown flag: --chnaged; did you mean --changed?",
		"sandbox --prot=1":      "unknown flag: --prot\n",
		"something-else":        `unknown command "something-else" for "federation-agent"` + "\n",
		"validate --config":     "flag needs an argument: --config",
		"discover --target a b": `unknown command "b" for "federation-agent discover"`,
	} {
		if _, text, code := said(nil, strings.Fields(args)...); code != exitConfiguration || !strings.Contains(text, want) {
			t.Errorf("%s: exit code %d, %q", args, code, text)
		}
	}
}

func TestValuesAreCompleted(t *testing.T) {
	environ := []string{
		"gravitee_integration_providers_0_type=aws-api-gateway",
		"gravitee_integration_providers_0_configuration_region=eu-west-1,us-east-1",
		"gravitee_integration_providers_0_configuration_roleArn=arn:aws:iam::111122223333:role/r",
		"gravitee_integration_providers_0_configuration_0_stage=prod",
	}
	for typed, want := range map[string][]string{
		"dis":                             {"discover"},
		"discover --target ":              {"111122223333:eu-west-1", "111122223333:us-east-1", "eu-west-1", "us-east-1"},
		"discover --target eu":            {"eu-west-1"},
		"discover --stage ":               {"prod"},
		"discover --cha":                  {"--changed"},
		"policy --of t":                   {"trust", "table"},
		"policy --for arn":                {"arn:aws:iam::111122223333:role/r"},
		"sandbox --apim-version 4.1":      {"4.10", "4.11", "4.12"},
		"sandbox --regions ap-east-1,il-": {"ap-east-1,il-central-1"},
		"validate ":                       nil,
		"validate --config ":              {"yml", "yaml"},
		"completion ba":                   {"bash"},
	} {
		args := strings.Split(typed, " ")
		text, _, code := said(environ, append([]string{"__complete"}, args...)...)
		var offered []string
		for line := range strings.Lines(text) {
			value, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			if value != "" && !strings.HasPrefix(value, ":") {
				offered = append(offered, value)
			}
		}
		if code != exitOrderly || !slices.Equal(offered, want) {
			t.Errorf("%q: exit code %d, %q, want %q\n%s", typed, code, offered, want, text)
		}
	}
}
