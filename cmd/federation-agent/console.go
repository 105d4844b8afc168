package main

import (
	"io"
	"os"

	"golang.org/x/term"

	"federation-agent/internal/sandbox/demo"
)

// narratorFor tells the story on the standard output, or on the standard error where that is for machines.
func narratorFor(p process, machines bool) *demo.Narrator {
	out := p.stdout
	if machines {
		out = p.stderr
	}
	live := isTerminal(out)
	return &demo.Narrator{Out: out, Live: live, Colour: live && os.Getenv("NO_COLOR") == ""} // https://no-color.org
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
