package compose

import (
	"fmt"
	"os"
	"strings"

	"github.com/joho/godotenv"
	"go.yaml.in/yaml/v3"
)

// Environment is what Docker Compose gives a service's container by its environment list, as NAME=value texts in the
// list's order. dotenv is the .env file beside the compose file; the user's own shell sets nothing.
func Environment(file, dotenv, service string) ([]string, error) {
	variables, err := godotenv.Unmarshal(dotenv)
	if err != nil {
		return nil, fmt.Errorf("reading .env: %w", err)
	}
	var project struct {
		Services map[string]struct {
			Environment []string `yaml:"environment"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal([]byte(file), &project); err != nil {
		return nil, fmt.Errorf("reading the compose file: %w", err)
	}
	described, there := project.Services[service]
	if !there {
		return nil, fmt.Errorf("the compose file has no service %s", service)
	}
	var environment []string
	for _, entry := range described.Environment {
		resolved, err := Interpolate(entry, variables)
		if err != nil {
			return nil, fmt.Errorf("resolving %q: %w", entry, err)
		}
		environment = append(environment, resolved)
	}
	return environment, nil
}

// Interpolate resolves $NAME, ${NAME}, ${NAME:-default} (unset or empty), ${NAME-default} (unset) and $$ as Docker
// documents it ("Interpolation" in the Compose file reference). A variable that is not set becomes nothing. The other
// forms are an error: taking them for text would try something else than users get.
func Interpolate(text string, variables map[string]string) (string, error) {
	var err error
	resolved := os.Expand(text, func(expression string) string {
		if expression == "$" {
			return "$"
		}
		end := strings.IndexFunc(expression, func(r rune) bool { return !isNameRune(r) })
		if end < 0 {
			return variables[expression]
		}
		name, form := expression[:end], expression[end:]
		value, set := variables[name]
		switch {
		case name == "" || strings.Contains(form, "$"):
			err = fmt.Errorf("cannot resolve ${%s}", expression)
		case strings.HasPrefix(form, ":-"):
			if value == "" {
				return form[len(":-"):]
			}
		case strings.HasPrefix(form, "-"):
			if !set {
				return form[len("-"):]
			}
		default:
			err = fmt.Errorf("cannot resolve ${%s}", expression)
		}
		return value
	})
	return resolved, err
}

func isNameRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
}
