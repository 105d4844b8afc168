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
// resolved. The user's own shell sets nothing. More files change the first, as with -f.
func Project(file, env string, more ...string) (*types.Project, error) {
	variables, err := dotenv.UnmarshalWithLookup(env, nil)
	if err != nil {
		return nil, fmt.Errorf("reading .env: %w", err)
	}
	var files []types.ConfigFile
	for i, text := range append([]string{file}, more...) {
		files = append(files, types.ConfigFile{Filename: fmt.Sprintf("docker-compose-%d.yaml", i), Content: []byte(text)})
	}
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  ".",
		ConfigFiles: files,
		Environment: variables,
	}, func(o *loader.Options) { o.SetProjectName("test", true) })
	if err != nil {
		return nil, fmt.Errorf("reading the compose file: %w", err)
	}
	return project, nil
}

// Environment is what Docker Compose gives a service's container by its environment list, as NAME=value texts in the
// order of their names.
func Environment(file, env, service string, more ...string) ([]string, error) {
	project, err := Project(file, env, more...)
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
