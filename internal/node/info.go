package node

import "net/http"

// info describes this program in gravitee-node's form; the version has the names that gravitee-common gives its parts.
func (a *api) info(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{
		"id":       a.ID,
		"name":     a.Name,
		"metadata": map[string]string{"go": a.Build.Go},
		"version": map[string]string{
			"MAJOR_VERSION": a.Build.Version, "BUILD_NUMBER": a.Build.Version,
			"BUILD_ID": a.Build.Commit, "REVISION": a.Build.Commit,
		},
	})
}

// writeJSON writes a value of this package, which can always be encoded. A caller that has gone gets no error.
func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = asJSON(w, value)
}
