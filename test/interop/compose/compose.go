package compose

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// Project is what Docker Compose reads from a compose file and the .env file beside it: checked, with all variables
// resolved. The user's own shell sets nothing.
func Project(file, env string) (*types.Project, error) {
	variables, err := dotenv.UnmarshalWithLookup(env, nil)
	if err != nil {
		return nil, fmt.Errorf("reading .env: %w", err)
	}
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  ".",
		ConfigFiles: []types.ConfigFile{{Filename: "docker-compose.yaml", Content: []byte(file)}},
		Environment: variables,
	}, func(o *loader.Options) { o.SetProjectName("test", true) })
	if err != nil {
		return nil, fmt.Errorf("reading the compose file: %w", err)
	}
	return project, nil
}

// Environment is what Docker Compose gives a service's container by its environment list, as NAME=value texts in the
// order of their names.
func Environment(file, env, service string) ([]string, error) {
	project, err := Project(file, env)
	if err != nil {
		return nil, err
	}
	described, err := project.GetService(service)
	if err != nil {
		return nil, err
	}
	var environment []string
	for _, name := range slices.Sorted(maps.Keys(described.Environment)) {
		if value := described.Environment[name]; value != nil { // nil: taken from the user's shell, which sets nothing
			environment = append(environment, strings.Join([]string{name, *value}, "="))
		}
	}
	return environment, nil
}
