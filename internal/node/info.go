package node

import (
	"encoding/json"
	"net/http"
)

// nodeInfo describes a node in gravitee-node's form.
type nodeInfo struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
	Version  nodeVersion       `json:"version"`
}

// nodeVersion has the names that gravitee-common gives them.
type nodeVersion struct {
	Major    string `json:"MAJOR_VERSION"`
	Number   string `json:"BUILD_NUMBER"`
	Build    string `json:"BUILD_ID"`
	Revision string `json:"REVISION"`
}

func (a *api) info(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, nodeInfo{
		ID: a.ID, Name: a.Name, Metadata: map[string]string{"go": a.Build.Go},
		Version: nodeVersion{a.Build.Version, a.Build.Version, a.Build.Commit, a.Build.Commit},
	})
}

// writeJSON writes a value of this package, which can always be encoded. A caller that has gone gets no error.
func writeJSON(w http.ResponseWriter, code int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
}
