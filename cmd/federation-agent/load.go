package main

import (
	"errors"
	"fmt"
	"strings"

	"federation-agent/config"
)

// load reads the configuration. Where it is faulty, the error holds warnings and faults for the user.
func load(environ, files []string) (config.Config, []config.Warning, error) {
	cfg, warnings, err := config.Load(config.Sources{Environ: environ, Files: files})
	if err == nil {
		return cfg, warnings, nil
	}
	var text strings.Builder
	for _, w := range warnings {
		fmt.Fprintf(&text, "warning: %s\n", w)
	}
	var faults config.Faults
	if !errors.As(err, &faults) {
		faults = config.Faults{{Text: err.Error()}}
	}
	for _, f := range faults {
		fmt.Fprintf(&text, "fault: %s\n", f.Error())
	}
	fmt.Fprintf(&text, "The configuration has %s; nothing was started.", count(len(faults), "fault"))
	return cfg, warnings, &exitError{code: exitConfiguration, text: text.String()}
}

// count spells a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
