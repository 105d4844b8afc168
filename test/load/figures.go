package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// middle is the median; of an even number, the upper one.
func middle[T cmp.Ordered](values []T) T { return at(values, 0.5) }

// at is the value below which that part of the values lies.
func at[T cmp.Ordered](values []T, part float64) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(part*float64(len(sorted))))]
}

func middleAndWorst(values []time.Duration) string {
	return fmt.Sprintf("%s (%s)", short(middle(values)), short(slices.Max(values)))
}

// short rounds to what can be read.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.2f ms", d.Seconds()*1e3)
}

// classpathCommand starts the connector of a compiled Maven project.
func classpathCommand(project string) ([]string, error) {
	jars, err := os.ReadFile(filepath.Join(project, "target", "classpath.txt"))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(project, "target", "classes") + string(filepath.ListSeparator) + strings.TrimSpace(string(jars))
	return []string{"java", "-cp", path, "federationagent.load.Connector"}, nil
}
