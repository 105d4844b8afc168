package storetest

import (
	"encoding/json"
	"strings"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

// Describe names a change by what it means, the same in each run: "key R1 attached", "key R1 removed", "job I/J",
// "ack I/J/0", "listing I/T", "plans I/A". Simulations build the names of their faults from it.
func Describe(c store.Change) string {
	name := strings.TrimSuffix(string(c.Table), "s") + " " + c.Key
	if c.Table == "plans" {
		name = "plans " + c.Key
	}
	if c.Value == nil {
		return name + " removed"
	}
	if c.Table == "keys" {
		var rec keys.Record
		if err := json.Unmarshal(c.Value, &rec); err != nil {
			return name + " damaged"
		}
		return name + " " + string(rec.State)
	}
	return name
}
