package actors

import "time"

// Processes is the ids of the actors that an agent still has.
func Processes(a *Agent) []string {
	var ids []string
	for _, bucket := range a.system.ProcessRegistry.LocalPIDs.LocalPIDs {
		for _, id := range bucket.Keys() {
			if len(id) >= 6 && id[:6] == "agent-" {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Backoff is the delay before the first and later attempts to connect.
func Backoff(n int, jitter float64) time.Duration { return backoff(n, redialFloor, redialLost, jitter) }
