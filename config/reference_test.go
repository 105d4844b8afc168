package config

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the generated pages")

func TestTheReferencePageIsGenerated(t *testing.T) {
	generated(t, "../docs/configuration.md", reference(t))
}

// generated compares a page with what it must be, or writes it.
func generated(t *testing.T, name string, page []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(page), string(got)); diff != "" {
		t.Errorf("%s is not what the code says; run: go generate ./config\n(-want +got)\n%s", name, diff)
	}
}

type (
	section struct {
		Title  string
		Fields []entry
	}
	entry struct{ Key, Default, Meaning string }
)

// reference fills the page's template.
func reference(t *testing.T) []byte {
	t.Helper()
	data := struct {
		Sections                                             []section
		Ignored                                              map[string]string
		OwnFiles, VendorFiles, VendorFile, Flag, JavaOptions string
		Guarded, GuardedGroups, Secrets                      string
	}{
		Ignored:     ignoredGroups,
		OwnFiles:    keyOwnFiles,
		VendorFiles: keyVendorFiles,
		VendorFile:  vendorFile,
		Flag:        flagFiles,
		JavaOptions: javaOptions,
	}
	data.GuardedGroups = "`" + strings.Join(guardedGroups, "`, `") + "`"
	comments := commentsOfFields(t)
	for _, f := range schema() {
		if f.guard != "" {
			data.Guarded += ", `" + withIndexes(f.pattern) + "`"
		}
		if f.kind == kindSecret {
			data.Secrets += ", `" + withIndexes(f.pattern) + "`"
		}
		if n := len(data.Sections); n == 0 || data.Sections[n-1].Title != f.title {
			data.Sections = append(data.Sections, section{Title: f.title})
		}
		last := &data.Sections[len(data.Sections)-1]
		last.Fields = append(
			last.Fields,
			entry{Key: withIndexes(f.pattern), Default: code(f.def), Meaning: meaning(f, comments)},
		)
	}
	data.Guarded, data.Secrets = strings.TrimPrefix(data.Guarded, ", "), strings.TrimPrefix(data.Secrets, ", ")
	page, err := template.New("configuration.md.tmpl").
		Funcs(template.FuncMap{"variable": variableName}).ParseFiles("testdata/configuration.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, data); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// meaning is what the page says of a field: its comment, limits and example.
func meaning(f field, comments map[string]string) string {
	comment, find, _ := strings.Cut(comments[f.goName()], " Where to find it: ")
	parts := []string{comment}
	if len(f.oneOf) > 0 {
		parts = append(parts, "One of `"+strings.Join(f.oneOf, "`, `")+"`.")
	}
	if f.min != "" {
		parts = append(parts, fmt.Sprintf("From %s to %s.", f.min, f.max))
	}
	parts = append(parts, "Example: "+code(f.example)+".")
	if find != "" {
		parts = append(parts, "Where to find it: "+find)
	}
	return strings.ReplaceAll(strings.Join(parts, " "), "|", `\|`)
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// goName is the field's name in the source: Type.Field.
func (f field) goName() string {
	name, t := "", reflect.TypeFor[Config]()
	for _, i := range f.path {
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		name = t.Name() + "." + t.Field(i).Name
		t = t.Field(i).Type
	}
	return name
}

// commentsOfFields reads this package's source: the comment above each field, as one line.
func commentsOfFields(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			declared, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if structure, ok := declared.Type.(*ast.StructType); ok {
				for _, f := range structure.Fields.List {
					for _, fieldName := range f.Names {
						comments[declared.Name.Name+"."+fieldName.Name] = strings.Join(
							strings.Fields(f.Doc.Text()),
							" ",
						)
					}
				}
			}
			return false
		})
	}
	return comments
}
