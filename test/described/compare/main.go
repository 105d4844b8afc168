// Command compare compares this project's description of APIM's management API with APIM's own: each operation,
// parameter and field that is used must be there. It is run by .ci/apim-description, which fetches APIM's files.
//
//	go run ./test/described/compare FOLDER/VERSION...
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ours is the description that the client is generated from, and theirs are the files of APIM's that have what is used
// and what that refers to.
const ours = "internal/apimrest/management"

var theirs = []string{"openapi-apis.yaml", "openapi-environments.yaml", "openapi-installation.yaml"}

// known are differences with a reason. The version is that of the folder, up to its second dot.
var known = []struct{ version, difference, reason string }{
	{
		"", "GET /environments/{envId}/integrations/{integrationId}/permissions: is not described",
		"the console asks it, and the code has it (IntegrationResource.getPermissions, read in 4.5.29, 4.9.32 and 4.12.17)",
	},
	{"4.5", noVersion, "versions are listed from 4.8 on, and are empty here where they are missing"},
	{"4.6", noVersion, "the same"},
	{"4.7", noVersion, "the same"},
}

const noVersion = "GET /environments/{envId}/integrations/{integrationId}/apis 200 data[] version: is missing"

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "name the folders with APIM's files, each called by its version")
		os.Exit(2)
	}
	failed := false
	for _, folder := range os.Args[1:] {
		lines, err := differences(folder)
		switch {
		case err != nil:
			fmt.Fprintf(os.Stderr, "APIM's description cannot be read: %v\n", err)
			failed = true
		case len(lines) > 0:
			fmt.Fprintf(os.Stderr, "APIM %s differs from %s/openapi.yaml:\n  %s\n", filepath.Base(folder), ours,
				strings.Join(lines, "\n  "))
			failed = true
		default:
			fmt.Printf("APIM %s has all that %s/openapi.yaml uses\n", filepath.Base(folder), ours)
		}
	}
	if failed {
		os.Exit(1)
	}
}

// differences are those of one version without the known ones, and known ones that are none any more.
func differences(folder string) (lines []string, err error) {
	our, err := read(os.DirFS(ours), "openapi.yaml")
	if err != nil {
		return nil, err
	}
	their, err := read(os.DirFS(folder), theirs...)
	if err != nil {
		return nil, err
	}
	lines = compare(our, their)
	for _, k := range known {
		if k.version != "" && !strings.HasPrefix(filepath.Base(folder), k.version+".") {
			continue
		}
		i := slices.Index(lines, k.difference)
		if i < 0 {
			lines = append(lines, "no difference any more, take it out of test/described/compare: "+k.difference)
			continue
		}
		lines = slices.Delete(lines, i, i+1)
	}
	return lines, nil
}
