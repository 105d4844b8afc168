package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"federation-agent/internal/node"
)

// Set by -ldflags "-X main.version=… -X main.commit=…" where an image is built without its repository.
// The linker can set nothing but package variables; nothing else writes them.
var (
	version string
	commit  string
)

// thisBuild takes what the linker was given, else what the Go command wrote into the binary. go run writes no commit.
func thisBuild() node.Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	revision := settings["vcs.revision"]
	if revision != "" && settings["vcs.modified"] == "true" {
		revision += "+modified"
	}
	return node.Build{
		Version: cmp.Or(version, info.Main.Version, "(devel)"),
		Commit:  cmp.Or(commit, revision, "unknown"),
		Go:      runtime.Version(),
	}
}

func versionLine() string {
	b := thisBuild()
	return fmt.Sprintf("federation-agent %s (commit %s, %s)\n", b.Version, b.Commit, b.Go)
}

func versionCommand(p process) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Prints version, commit and Go version",
		Long:  "Prints version, commit and Go version on one line, as --version does.\nExit code 0.",
		Example: `  federation-agent version
  docker run --rm federation-agent-aws-api-gateway version`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(p.stdout, versionLine())
			return err
		},
	}
}
