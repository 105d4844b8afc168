package config

import (
	"fmt"
	"maps"
	"strings"
)

// Keys that name the YAML files. They are looked for in this order, after the --config flag; the first
// one that is set counts alone.
const (
	keyOwnFiles    = "agent.config"
	keyVendorFiles = "gravitee.conf"
)

// flagFiles is the command line's flag.
const flagFiles = "--config"

// javaOptions is where the vendor's Helm chart passes gravitee.conf, because its agent runs in a JVM.
const javaOptions = "JDK_JAVA_OPTIONS"

// fileList says which YAML files are to be read, weakest first, and who says so.
func (l *loader) fileList() (files []string, source string) {
	if files = splitList(l.flagFiles); len(files) > 0 {
		return files, flagFiles
	}
	for _, key := range []string{keyOwnFiles, keyVendorFiles} {
		if s, ok := l.find(key); ok {
			return splitList([]string{s.value}), s.variable
		}
	}
	if strings.Contains(l.environ[javaOptions], "-Dintegration.") {
		l.faults = append(l.faults, Fault{
			Key: "integration", Variable: javaOptions,
			Text:    "only -D" + keyVendorFiles + " is read from here; write each -Dintegration… as an environment variable",
			Example: variableName("integration.providers[0].type") + "=" + ProviderType,
		})
	}
	value, err := javaProperty(l.environ[javaOptions], keyVendorFiles)
	if err != nil {
		l.faults = append(l.faults, Fault{
			Key: keyVendorFiles, Variable: javaOptions, Text: err.Error(),
			Example: exampleFile(javaOptions),
		})
	}
	return splitList([]string{value}), javaOptions + " (-D" + keyVendorFiles + ")"
}

// readFiles lays out the YAML files as one flat map; a later file overrides single keys of an earlier one.
func (l *loader) readFiles() {
	files, source := l.fileList()
	for _, name := range files {
		content, err := l.readFile(name)
		if err != nil {
			l.faults = append(l.faults, Fault{
				Key: keyOwnFiles, Variable: source, Text: fmt.Sprintf("the file %s cannot be read: %v", name, err),
				Example: exampleFile(source),
			})
			continue
		}
		settings, fault := flattenYAML(name, content)
		if fault != nil {
			l.faults = append(l.faults, Fault{Variable: fault.at, Text: fault.text})
			continue
		}
		maps.Copy(l.yaml, settings)
	}
}

// exampleFile names a file in the way that the source does.
func exampleFile(source string) string {
	const file = "/etc/federation-agent/gravitee.yml"
	switch {
	case source == flagFiles:
		return source + " " + file
	case strings.HasPrefix(source, javaOptions):
		return javaOptions + "=-D" + keyVendorFiles + "=" + file
	}
	return source + "=" + file
}

func splitList(values []string) []string {
	var list []string
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

// javaProperty finds -Dname=value among options separated by white space, as the java launcher splits them:
// either quote keeps white space together, nothing escapes. The last one counts.
func javaProperty(options, name string) (string, error) {
	var args []string
	var arg strings.Builder
	var quote rune
	for _, r := range options {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			arg.WriteRune(r)
		case r == '"' || r == '\'':
			quote = r
		case strings.ContainsRune(" \t\n\r\f\v", r):
			args = append(args, arg.String())
			arg.Reset()
		default:
			arg.WriteRune(r)
		}
	}
	args = append(args, arg.String())
	value := ""
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, "-D"+name+"="); ok {
			value = v
		}
	}
	if quote != 0 && strings.Contains(options, "-D"+name) {
		return "", fmt.Errorf("has a %c that is never closed, so -D%s cannot be told", quote, name)
	}
	return strings.TrimSpace(value), nil
}
