//go:build interop

package compose

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"federation-agent/test/interop/controller"
	"federation-agent/test/missing"
)

func TestThePageIsTheVendors(t *testing.T) {
	root, err := controller.ModuleRoot()
	must(t, err)
	theirs, err := os.ReadFile(filepath.Join(filepath.Dir(root), "shared", "reference", pageName))
	if errors.Is(err, fs.ErrNotExist) {
		err = &missing.Error{
			What:    "the folder shared with the reference pages, beside this checkout,",
			Install: "check the project out as its CI does, with shared/ beside it", Err: err,
		}
	}
	missing.Require(t, err)
	if diff := cmp.Diff(string(theirs), page(t)); diff != "" {
		t.Errorf("testdata is not the reference any more:\n%s", diff)
	}
}
