package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Stamped by -ldflags "-X main.version=… -X main.commit=…" where an image is built without its repository.
// The linker can set nothing but package variables; nothing else writes them.
var (
	version string
	commit  string
)

// build says which program this is.
type build struct {
	Version, Commit, Go string
}

// thisBuild takes the stamps, else what the Go command wrote into the binary. go run writes no commit.
func thisBuild() build {
	b := build{Version: version, Commit: commit, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b.orUnknown()
	}
	modified := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && b.Commit == "":
			b.Commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+modified"
		}
	}
	if commit == "" && b.Commit != "" {
		b.Commit += modified
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	return b.orUnknown()
}

func (b build) orUnknown() build {
	if b.Version == "" {
		b.Version = "(devel)"
	}
	if b.Commit == "" {
		b.Commit = "unknown"
	}
	return b
}

func (b build) line() string {
	return fmt.Sprintf("federation-agent %s (commit %s, %s)\n", b.Version, b.Commit, b.Go)
}

func versionCommand(p process) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Prints version, commit and Go version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(p.stdout, thisBuild().line())
			return err
		},
	}
}
