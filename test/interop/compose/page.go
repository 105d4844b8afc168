// Package compose reads the vendor's documentation page as its users do: the compose file and the .env out of it, the
// bracketed placeholders filled in, the variables resolved as Docker Compose does. Its test starts the agent with
// exactly the environment that comes out, against Gravitee's own controller and moto.
package compose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Blocks gives the fenced code blocks of a Markdown page that are marked with this language, in their order.
func Blocks(page, language string) []string {
	var blocks []string
	var block *strings.Builder
	for line := range strings.Lines(page) {
		switch fence := strings.TrimSpace(line); {
		case block != nil && fence == "```":
			blocks, block = append(blocks, block.String()), nil
		case block != nil:
			block.WriteString(line)
		case fence == "```"+language:
			block = &strings.Builder{}
		}
	}
	return blocks
}

// Block gives the only block that holds a text.
func Block(page, language, holds string) (string, error) {
	found := slices.DeleteFunc(Blocks(page, language), func(b string) bool { return !strings.Contains(b, holds) })
	if len(found) != 1 {
		return "", fmt.Errorf("the page has %d blocks of %s that hold %q, want one", len(found), language, holds)
	}
	return found[0], nil
}

// Fill replaces the placeholders of a text, such as [your-token], and nothing else. All that are there must be given,
// and all that are given must be there.
func Fill(text string, values map[string]string) (string, error) {
	used := map[string]bool{}
	var missing []string
	filled := regexp.MustCompile(`\[[^][\n]+\]`).ReplaceAllStringFunc(text, func(placeholder string) string {
		value, given := values[placeholder]
		if !given {
			missing = append(missing, placeholder)
		}
		used[placeholder] = true
		return value
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("nothing is given for %s", strings.Join(missing, ", "))
	}
	for placeholder := range values {
		if !used[placeholder] {
			return "", fmt.Errorf("the text has no %s", placeholder)
		}
	}
	return filled, nil
}
