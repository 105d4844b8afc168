package store

import (
	"fmt"
	"strings"
)

// Describe names a change by what it means, the same in each run: "key R1 attached", "key R1 removed", "job I/J",
// "ack I/J/0", "listing I/T", "plans I/A". Simulations build the names of their faults from it.
func Describe(c Change) string {
	name := strings.TrimSuffix(string(c.Table), "s") + " " + c.Key
	if c.Table == tablePlans {
		name = "plans " + c.Key
	}
	if c.Value == nil {
		return name + " removed"
	}
	if c.Table == tableKeys {
		var rec KeyRecord
		if err := decodeRow(c, &rec); err != nil {
			return fmt.Sprintf("%s damaged", name)
		}
		return name + " " + string(rec.State)
	}
	return name
}
