package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	// maxYAMLDepth and maxYAMLNodes stop aliases that contain themselves or each other. The vendor's
	// largest file has a few hundred nodes, five deep.
	maxYAMLDepth = 64
	maxYAMLNodes = 100_000
)

// yamlFault is a file that cannot be understood.
type yamlFault struct {
	at   string // FILE:LINE
	text string
}

// flattenYAML lays a file out as a.b[0].c -> value. Values keep the text that was written, so that an
// account id does not become an octal number. Several documents in one file are taken in turn.
func flattenYAML(name string, content []byte) (map[string]setting, *yamlFault) {
	f := flattener{name: name, out: map[string]setting{}}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return f.out, nil
		}
		if err != nil {
			return nil, malformed(name, content, err)
		}
		if fault := f.document(&document); fault != nil {
			return nil, fault
		}
	}
}

type flattener struct {
	name  string
	out   map[string]setting
	nodes int
}

func (f *flattener) document(n *yaml.Node) *yamlFault {
	for _, root := range n.Content {
		if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
			continue // a file of comments
		}
		if root.Kind != yaml.MappingNode {
			return f.fault(root, "must begin with a mapping such as `integration:`")
		}
		if fault := f.node("", root, 0); fault != nil {
			return fault
		}
	}
	return nil
}

func (f *flattener) node(key string, n *yaml.Node, depth int) *yamlFault {
	if f.nodes++; depth > maxYAMLDepth || f.nodes > maxYAMLNodes {
		return f.fault(n, "is nested too deeply or repeats itself through aliases")
	}
	switch n.Kind {
	case yaml.AliasNode:
		return f.node(key, n.Alias, depth+1)
	case yaml.MappingNode:
		return f.mapping(key, n, depth)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if fault := f.node(fmt.Sprintf("%s[%d]", key, i), item, depth+1); fault != nil {
				return fault
			}
		}
	case yaml.ScalarNode:
		if n.Tag != "!!null" {
			f.out[key] = setting{key: key, value: n.Value, variable: key, at: fmt.Sprintf("%s:%d", f.name, n.Line)}
		}
	}
	return nil
}

func (f *flattener) mapping(key string, n *yaml.Node, depth int) *yamlFault {
	// Merged mappings go first: the keys written out override them.
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			if fault := f.merge(key, n.Content[i+1], depth); fault != nil {
				return fault
			}
		}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Tag == "!!merge" {
			continue
		}
		if name.Kind != yaml.ScalarNode {
			return f.fault(name, "a key must be a plain word")
		}
		if seen[name.Value] {
			return f.fault(name, fmt.Sprintf("the key %s stands twice in the same mapping", show(name.Value)))
		}
		seen[name.Value] = true
		full := name.Value
		if key != "" {
			full = key + "." + name.Value
		}
		if fault := f.node(full, value, depth+1); fault != nil {
			return fault
		}
	}
	return nil
}

func (f *flattener) merge(key string, n *yaml.Node, depth int) *yamlFault {
	if n.Kind != yaml.SequenceNode {
		return f.node(key, n, depth+1)
	}
	// Of several merged mappings the first one wins, so it is laid down last.
	for i := len(n.Content) - 1; i >= 0; i-- {
		if fault := f.node(key, n.Content[i], depth+1); fault != nil {
			return fault
		}
	}
	return nil
}

func (f *flattener) fault(n *yaml.Node, text string) *yamlFault {
	return &yamlFault{at: fmt.Sprintf("%s:%d", f.name, n.Line), text: text}
}

var (
	lineInError   = regexp.MustCompile(`(?s)^line (\d+): (.*)$`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// malformed turns the library's error into file, line and message. The name of an unknown anchor is left out:
// it may be a password that begins with an asterisk.
func malformed(name string, content []byte, err error) *yamlFault {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := "1" // the library says nothing of the line if it is the first
	if m := lineInError.FindStringSubmatch(text); m != nil {
		line, text = m[1], m[2]
	} else if m := unknownAnchor.FindStringSubmatch(text); m != nil {
		line, text = lineOf(content, bytes.Index(content, []byte("*"+m[1]))), "unknown anchor; quote a value that begins with *"
	} else if at := firstUnreadable(content); at >= 0 {
		line = lineOf(content, at)
	}
	return &yamlFault{at: name + ":" + line, text: "malformed YAML: " + strings.Join(strings.Fields(text), " ")}
}

// firstUnreadable finds what is no text at all: YAML forbids control characters, and UTF-8 is the only encoding here.
func firstUnreadable(content []byte) int {
	return bytes.IndexFunc(content, func(r rune) bool {
		return r == utf8.RuneError || r < ' ' && !strings.ContainsRune("\t\r\n", r) || r == 0x7f
	})
}

func lineOf(content []byte, offset int) string {
	return strconv.Itoa(1 + bytes.Count(content[:max(offset, 0)], []byte("\n")))
}
