package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

const (
	// maxYAMLDepth and maxYAMLNodes stop aliases that contain themselves or each other, and bound the comparisons of
	// unknown names. The vendor's largest file has a few hundred nodes, five deep.
	maxYAMLDepth = 64
	maxYAMLNodes = 10_000
)

// flattenYAML turns a file into a.b[0].c -> value. Values keep the text that was written, so that an account id does
// not become an octal number. Several documents in one file are read in turn. The fault, if any, says why the file
// cannot be understood. A known key with a value of another shape is noted as such a value, which another file or the
// environment can override like any other. The keys of commaLists may also be lists of plain values.
func flattenYAML(name string, content []byte, known, commaLists []string) (map[string]setting, *Fault) {
	f := flattener{name: name, known: known, commaLists: commaLists, out: map[string]setting{}}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for f.fault == nil {
		f.written = map[string]bool{}
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return f.out, nil
		}
		if err != nil {
			return nil, malformed(name, content, err)
		}
		for _, root := range document.Content {
			f.node("", root, 0)
		}
	}
	return nil, f.fault
}

// flattener gathers values until there is a fault.
type flattener struct {
	name string
	// known and commaLists are patterns.
	known, commaLists []string
	out               map[string]setting
	// written are the keys of one document, without those that are merged into a mapping: they may be overridden.
	written map[string]bool
	merging bool
	nodes   int
	fault   *Fault
}

func (f *flattener) node(key string, n *yaml.Node, depth int) {
	if f.nodes++; depth > maxYAMLDepth || f.nodes > maxYAMLNodes {
		f.fail(n, "is nested too deeply or repeats itself through aliases")
	}
	switch {
	case f.fault != nil: // aliases are not followed any more
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null": // a key without a value, or a file of comments
	case depth == 0 && n.Kind != yaml.MappingNode:
		f.fail(n, "must begin with a mapping such as `integration:`")
	case n.Kind == yaml.AliasNode:
		f.node(key, n.Alias, depth+1)
	case f.isListed(key, n):
		f.nodes += len(n.Content)
		f.set(key, n, joined(n))
	case f.misshapen(key, n) != "":
		f.set(key, n, setting{value: n.ShortTag(), wrong: f.misshapen(key, n)})
	case n.Kind == yaml.MappingNode:
		f.mapping(key, n, depth)
	case n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			f.node(fmt.Sprintf("%s[%d]", key, i), item, depth+1)
		}
	default:
		f.set(key, n, setting{value: n.Value})
	}
}

func (f *flattener) set(key string, n *yaml.Node, s setting) {
	if f.written[key] && !f.merging {
		f.fail(n, "the key "+show(key)+" is set twice, once within mappings and once in one line")
	}
	s.variable, s.at = key, fmt.Sprintf("%s:%d", f.name, n.Line)
	f.out[key], f.written[key] = s, f.written[key] || !f.merging
}

// isListed is true for a list where several values with commas are asked for. An empty one is not: whether it means
// nothing or everything, its author must say.
func (f *flattener) isListed(key string, n *yaml.Node) bool {
	pattern, _ := toPattern(key)
	return n.Kind == yaml.SequenceNode && len(n.Content) > 0 && slices.Contains(f.commaLists, pattern)
}

// joined writes a list as one value with commas. What is left of an example file is one value in brackets, which YAML
// takes for a list: the brackets stay, so that it is told for what it is.
func joined(n *yaml.Node) setting {
	var parts []string
	for _, item := range n.Content {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		part := strings.TrimSpace(item.Value)
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" || part == "" || strings.Contains(part, ",") {
			return setting{
				value: n.ShortTag(), wrong: "is a list, whose elements must each be one plain value, without a comma in it",
			}
		}
		if left := "[" + part + "]"; isTemplate(left) {
			part = left
		}
		parts = append(parts, part)
	}
	return setting{value: strings.Join(parts, ",")}
}

// misshapen says what is wrong with a list or a mapping where one value belongs, and the other way round. Below an
// empty one, nothing can be overlooked.
func (f *flattener) misshapen(key string, n *yaml.Node) string {
	pattern, _ := toPattern(key)
	has := func(begin string) bool {
		return slices.ContainsFunc(f.known, func(k string) bool { return strings.HasPrefix(k, begin) })
	}
	isLeaf, isMap, isList := slices.Contains(f.known, pattern), has(pattern+"."), has(pattern+"["+indexMark+"]")
	isEmpty := len(n.Content) == 0 && strings.TrimSpace(n.Value) == ""
	switch {
	case key == "", isEmpty && (!isLeaf || n.Kind == yaml.ScalarNode):
		return ""
	case isLeaf && !isList && n.Kind == yaml.SequenceNode && slices.Contains(f.commaLists, pattern):
		return "is a list without elements; write at least one, or leave the setting out"
	case isLeaf && !isList && n.Kind == yaml.SequenceNode:
		return "is a list, as [ ] makes one, but must be one value; write it without brackets"
	case isLeaf && n.Kind == yaml.MappingNode:
		return "is a mapping, but must be one value"
	case isList && !isLeaf && n.Kind != yaml.SequenceNode:
		return "must be a list, each element with a hyphen"
	case isMap && n.Kind != yaml.MappingNode:
		return "must be a mapping of settings"
	}
	return ""
}

func (f *flattener) mapping(key string, n *yaml.Node, depth int) {
	// Merged mappings go first: the keys written out override them.
	for pair := range slices.Chunk(n.Content, 2) {
		if pair[0].Tag == "!!merge" {
			f.merge(key, pair[1], depth)
		}
	}
	seen := map[string]bool{}
	for pair := range slices.Chunk(n.Content, 2) {
		name := pair[0]
		switch {
		case name.Tag == "!!merge":
			continue
		case name.Kind != yaml.ScalarNode:
			f.fail(name, "a key must be a plain word")
		case seen[name.Value]:
			f.fail(name, fmt.Sprintf("the key %s is twice in the same mapping", show(name.Value)))
		}
		seen[name.Value] = true
		full := name.Value
		if key != "" {
			full = key + "." + full
		}
		f.node(full, pair[1], depth+1)
	}
}

func (f *flattener) merge(key string, n *yaml.Node, depth int) {
	defer func(outer bool) { f.merging = outer }(f.merging)
	f.merging = true
	if n.Kind != yaml.SequenceNode {
		f.node(key, n, depth+1)
		return
	}
	for _, merged := range slices.Backward(n.Content) { // the first one wins, so it is written last
		f.node(key, merged, depth+1)
	}
}

// fail notes the first fault.
func (f *flattener) fail(n *yaml.Node, text string) {
	if f.fault == nil {
		f.fault = &Fault{Variable: fmt.Sprintf("%s:%d", f.name, n.Line), Text: text}
	}
}

var (
	lineInError   = regexp.MustCompile(`(?s)^line (\d+): (.*)$`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// malformed turns the library's error into file, line and message. The name of an unknown anchor is left out:
// it may be a password that begins with an asterisk.
func malformed(name string, content []byte, err error) *Fault {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := "1" // the library says nothing of the line if it is the first
	if m := lineInError.FindStringSubmatch(text); m != nil {
		line, text = m[1], m[2]
	} else if m := unknownAnchor.FindStringSubmatch(text); m != nil {
		line = lineOf(content, bytes.Index(content, []byte("*"+m[1])))
		text = "unknown anchor; quote a value that begins with *"
	} else if at := firstUnreadable(content); at >= 0 {
		line = lineOf(content, at)
	}
	return &Fault{Variable: name + ":" + line, Text: "malformed YAML: " + strings.Join(strings.Fields(text), " ")}
}

// firstUnreadable finds what is no text at all: YAML forbids control characters, and UTF-8 is the only encoding here.
func firstUnreadable(content []byte) int {
	return bytes.IndexFunc(content, func(r rune) bool {
		return r == utf8.RuneError || isControl(r) && !strings.ContainsRune("\t\r\n", r)
	})
}

func lineOf(content []byte, offset int) string {
	return strconv.Itoa(1 + bytes.Count(content[:max(offset, 0)], []byte("\n")))
}
