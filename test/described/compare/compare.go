package main

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// node is a place in a description: a value, and the file that its references are relative to.
type node struct {
	of    *description
	file  string
	value any
}

// description is an OpenAPI description in one file or several. It is walked as YAML: APIM's own is not valid in all
// versions, and OpenAPI libraries do not load it.
type description struct {
	files map[string]any
}

// read reads files of a folder.
func read(folder fs.FS, names ...string) (*description, error) {
	d := &description{files: map[string]any{}}
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		var value any
		if err := yaml.Unmarshal(text, &value); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		d.files[name] = value
	}
	return d, nil
}

// get gives the value below a key, with references followed. A key that is not there gives a node without a value.
func (n node) get(keys ...string) node {
	for _, key := range keys {
		object, _ := n.value.(map[string]any)
		n = node{n.of, n.file, object[key]}.target()
	}
	return n
}

// target follows a reference.
func (n node) target() node {
	object, _ := n.value.(map[string]any)
	reference, is := object["$ref"].(string)
	if !is {
		return n
	}
	file, pointer, _ := strings.Cut(reference, "#/")
	if file == "" {
		file = n.file
	}
	file = path.Clean(file)
	to := node{n.of, file, n.of.files[file]}
	for key := range strings.SplitSeq(pointer, "/") {
		to = to.get(strings.NewReplacer("~1", "/", "~0", "~").Replace(key))
	}
	return to
}

func (n node) is() bool       { return n.value != nil }
func (n node) text() string   { return fmt.Sprint(n.value) }
func (n node) keys() []string { return slices.Sorted(maps.Keys(asObject(n.value))) }

func asObject(value any) map[string]any {
	object, _ := value.(map[string]any)
	return object
}

// items are the elements of a list.
func (n node) items() (all []node) {
	list, _ := n.value.([]any)
	for _, value := range list {
		all = append(all, node{n.of, n.file, value}.target())
	}
	return all
}

func (n node) texts() (all []string) {
	for _, item := range n.items() {
		all = append(all, item.text())
	}
	return all
}

// operation finds an operation by path and method, in whichever file.
func (d *description) operation(path, method string) (operation, inPath node) {
	for _, file := range slices.Sorted(maps.Keys(d.files)) {
		inPath = node{d, file, d.files[file]}.get("paths", path)
		if operation = inPath.get(method); operation.is() {
			return operation, inPath
		}
	}
	return operation, inPath
}

// federated are the names by which discriminators choose what an integration's API is.
var federated = []string{"FEDERATED", "INTEGRATION"}

// properties are those of a schema and of all that it is made of; of several kinds, the federated one's.
func (n node) properties() map[string]node {
	found, seen := map[string]node{}, map[string]bool{}
	n.collect(found, seen)
	return found
}

func (n node) collect(found map[string]node, seen map[string]bool) {
	identity := fmt.Sprintf("%s %p", n.file, asObject(n.value))
	if seen[identity] {
		return
	}
	seen[identity] = true
	for _, key := range n.get("properties").keys() {
		if _, known := found[key]; !known {
			found[key] = n.get("properties", key)
		}
	}
	for _, part := range n.get("allOf").items() {
		part.collect(found, seen)
	}
	for _, name := range federated {
		if reference := n.get("discriminator", "mapping", name); reference.is() {
			node{n.of, n.file, map[string]any{"$ref": reference.text()}}.target().collect(found, seen)
		}
	}
}

// required are the properties that a schema, and what it is made of, asks for.
func (n node) required() (names []string) {
	names = n.get("required").texts()
	for _, part := range n.get("allOf").items() {
		names = append(names, part.required()...)
	}
	return names
}

// comparison lists the differences between what we use and what there is.
type comparison struct{ differences []string }

func (c *comparison) say(at, format string, args ...any) {
	c.differences = append(c.differences, at+": "+fmt.Sprintf(format, args...))
}

var methods = []string{"get", "put", "post", "delete", "patch"}

// compare looks for each of our operations, parameters and fields in theirs.
func compare(ours, theirs *description) []string {
	c := &comparison{}
	for _, file := range slices.Sorted(maps.Keys(ours.files)) {
		paths := node{ours, file, ours.files[file]}.get("paths")
		for _, path := range paths.keys() {
			for _, method := range methods {
				if operation := paths.get(path, method); operation.is() {
					c.operation(path, method, operation, paths.get(path), theirs)
				}
			}
		}
	}
	return c.differences
}

func (c *comparison) operation(path, method string, our, ourPath node, theirs *description) {
	at := strings.ToUpper(method) + " " + path
	their, theirPath := theirs.operation(path, method)
	if !their.is() {
		c.say(at, "is not described")
		return
	}
	c.parameters(at, parameters(our, ourPath), parameters(their, theirPath))
	body := func(n node) node { return n.get("requestBody", "content", "application/json", "schema") }
	if ourBody := body(our); ourBody.is() {
		c.schema(at+" body", ourBody, body(their), true)
	}
	for _, status := range our.get("responses").keys() {
		if !strings.HasPrefix(status, "2") {
			continue
		}
		ourAnswer, theirAnswer := our.get("responses", status), their.get("responses", status)
		if !theirAnswer.is() {
			c.say(at, "does not answer %s", status)
			continue
		}
		if schema := ourAnswer.get("content", "application/json", "schema"); schema.is() {
			c.schema(at+" "+status, schema, theirAnswer.get("content", "application/json", "schema"), false)
		}
	}
}

func parameters(operation, path node) map[string]node {
	found := map[string]node{}
	for _, p := range slices.Concat(path.get("parameters").items(), operation.get("parameters").items()) {
		found[p.get("in").text()+" "+p.get("name").text()] = p
	}
	return found
}

func (c *comparison) parameters(at string, ours, theirs map[string]node) {
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		our, their := ours[name], theirs[name]
		if !their.is() {
			c.say(at, "has no parameter %s", name)
			continue
		}
		if isList := our.get("schema", "items").is(); isList && our.get("explode").text() != their.get("explode").text() {
			c.say(at, "takes the list %s in another form", name)
		}
		c.schema(at+" "+name, our.get("schema"), their.get("schema"), true)
	}
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		if !ours[name].is() && theirs[name].get("required").text() == "true" {
			c.say(at, "requires the parameter %s", name)
		}
	}
}

// schema compares what both sides say of one value. What is sent must be a part of what they take; what is received
// must be able to hold all that they give.
func (c *comparison) schema(at string, our, their node, isSent bool) {
	if !their.is() {
		c.say(at, "is missing")
		return
	}
	if o, t := our.get("type"), their.get("type"); t.is() && o.text() != t.text() {
		c.say(at, "is %s, and not %s", t.text(), o.text())
		return
	}
	if o, t := our.get("format"), their.get("format"); o.is() && o.text() != t.text() {
		c.say(at, "has the format %v", t.value)
	}
	c.values(at, our.get("enum").texts(), their.get("enum").texts(), isSent)
	if items := our.get("items"); items.is() {
		c.schema(at+"[]", items, their.get("items"), isSent)
	}
	if values := our.get("additionalProperties"); values.is() {
		c.schema(at+"{}", values, their.get("additionalProperties"), isSent)
	}
	ours, theirs := our.properties(), their.properties()
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		c.schema(at+" "+name, ours[name], theirs[name], isSent)
	}
	if !isSent {
		return
	}
	for _, name := range their.required() {
		if !slices.Contains(our.required(), name) {
			c.say(at, "requires %s", name)
		}
	}
}

func (c *comparison) values(at string, ours, theirs []string, isSent bool) {
	some, all, what := theirs, ours, "may be"
	if isSent {
		some, all, what = ours, theirs, "may not be"
	}
	if len(ours) == 0 || len(theirs) == 0 {
		return
	}
	for _, value := range some {
		if !slices.Contains(all, value) {
			c.say(at, "%s %s", what, value)
		}
	}
}
