package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Keys that name the YAML files. They are searched in this order, after the --config flag; only the first
// one that is set counts.
const (
	keyOwnFiles    = "agent.config"
	keyVendorFiles = "gravitee.conf"
)

// flagFiles is the command line's flag.
const flagFiles = "--config"

// javaOptions is where the vendor's Helm chart passes gravitee.conf, because its agent runs in a JVM.
const javaOptions = "JDK_JAVA_OPTIONS"

// javaVariables are all that give options to a JVM or to the vendor's start script, weakest first.
var javaVariables = []string{"JAVA_TOOL_OPTIONS", javaOptions, "JAVA_OPTS", "_JAVA_OPTIONS"}

// vendorFile is what the vendor's image reads without being told.
const vendorFile = "/opt/graviteeio-federation-agent/config/gravitee.yml"

// exampleFile is the file that examples name.
const exampleFile = "/etc/federation-agent/gravitee.yml"

// fileList gives the YAML files to read, weakest first, the source that names them, and an example of how it does.
func (l *loader) fileList() (files []string, source, example string) {
	if files = splitList(l.src.Files...); len(files) > 0 {
		return files, flagFiles, flagFiles + " " + exampleFile
	}
	for _, key := range []string{keyOwnFiles, keyVendorFiles} {
		if s, ok := l.find(key); ok {
			return splitList(s.value), s.variable, s.variable + "=" + exampleFile
		}
	}
	for _, name := range slices.Backward(javaVariables) {
		example = name + "=-D" + keyVendorFiles + "=" + exampleFile
		value, err := javaProperty(l.environ[name], keyVendorFiles)
		if err != nil {
			l.refuse(name, err.Error(), example)
		}
		if files = splitList(value); len(files) > 0 {
			return files, name + " (-D" + keyVendorFiles + ")", example
		}
	}
	if _, err := l.src.ReadFile(vendorFile); errors.Is(err, fs.ErrNotExist) {
		return nil, "", ""
	}
	l.note(vendorFile + " is read, as by the vendor's image, because it is there and nothing names another file")
	return []string{vendorFile}, vendorFile, ""
}

var (
	ownProperty  = regexp.MustCompile(`-D(integration|cloud|secrets|services|system\.proxy|agent)\.`)
	javaNetworks = regexp.MustCompile(`-D(javax\.net\.ssl\.|https?\.proxy|socksProxy|java\.net\.useSystemProxies)`)
)

// checkJavaOptions refuses what would say whom to trust, or how to connect, to a program that runs in a JVM.
func (l *loader) checkJavaOptions() {
	for _, name := range javaVariables {
		if ownProperty.MatchString(l.environ[name]) {
			l.refuse(name, "only -D"+keyVendorFiles+" is read from it; "+
				"write each -Dintegration… and other setting as an environment variable",
				variableName("integration.providers[0].type")+"="+ProviderType)
		}
		if javaNetworks.MatchString(l.environ[name]) {
			l.refuse(name, "this agent has no JVM, so trust stores, key stores and proxies in it have no effect; remove them. "+
				"For the session to APIM, "+connectorPrefix+"ssl.truststore.*, …ssl.keystore.* and …proxy.* say the same; for "+
				"calls to AWS, SSL_CERT_FILE names the CAs to trust, and HTTPS_PROXY the proxy", "")
		}
	}
}

// readFiles flattens the YAML files into one map; a later file overrides single keys of an earlier one.
func (l *loader) readFiles() {
	l.checkJavaOptions()
	files, source, example := l.fileList()
	l.files = files
	for _, name := range files {
		content, err := l.src.ReadFile(name)
		if err != nil {
			l.refuse(source, fmt.Sprintf("the file %s cannot be read: %v", name, err), example)
			continue
		}
		settings, fault := flattenYAML(name, content, l.patterns(), l.commaLists())
		if fault != nil {
			l.faults = append(l.faults, *fault)
			continue
		}
		maps.Copy(l.yaml, settings)
	}
}

// maxFile is the largest configured file, in bytes. The vendor's largest gravitee.yml has some KB, a ConfigMap of
// Kubernetes holds 1 MiB, and the usual bundle of CAs has a quarter of that.
const maxFile = 1 << 20

// ReadFile refuses what may have no end, or make a reader wait for ever: devices, pipes, directories, and large files.
func ReadFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		const text = "it is a directory, a device or a pipe; only a regular file of at most %d bytes is read"
		return nil, fmt.Errorf(text, maxFile)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1)) // a file below /proc says that it has no bytes
	if len(content) > maxFile {
		err = fmt.Errorf("it has more than %d bytes, which is the largest size of a configured file", maxFile)
	}
	return content, errors.Join(err, f.Close())
}

// splitList gives the parts between commas, without spaces around them and without empty ones.
func splitList(values ...string) (list []string) {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

var (
	// javaArgument is one option as the java launcher splits them: at white space outside of single or double quotes.
	// Nothing escapes a quote.
	javaArgument = regexp.MustCompile(`(?:"[^"]*"|'[^']*'|[^"'\s\v])+`)
	javaQuoted   = regexp.MustCompile(`"([^"]*)"|'([^']*)'`)
)

// javaProperty finds -Dname=value among the options of a JVM. The last one counts.
func javaProperty(options, name string) (value string, err error) {
	for _, arg := range javaArgument.FindAllString(options, -1) {
		if v, ok := strings.CutPrefix(javaQuoted.ReplaceAllString(arg, "$1$2"), "-D"+name+"="); ok {
			value = strings.TrimSpace(v)
		}
	}
	rest := javaArgument.ReplaceAllString(options, "")
	if open := strings.IndexAny(rest, `"'`); open >= 0 && strings.Contains(options, "-D"+name) {
		return "", fmt.Errorf("has a %c that is never closed, so -D%s cannot be read", rest[open], name)
	}
	return value, nil
}
