package federation

import "maps"

// Choose picks the APIs with the given ids, all if there are none. A bare REST API id, as other agents
// made them, means its API where that is the only one.
func Choose(apis []NamedEntry, ids []string) (chosen []NamedEntry, missing []string) {
	if len(ids) == 0 {
		return apis, nil
	}
	byID := make(map[ID]NamedEntry, len(apis))
	for _, e := range apis {
		byID[e.ID()] = e
	}
	known := NewKnown(maps.Keys(byID))
	taken := map[ID]bool{}
	for _, text := range ids {
		var id ID
		ref, err := ParseRef(text)
		if err == nil {
			id, err = known.API(ref)
		}
		e, there := byID[id]
		switch {
		case err != nil || !there:
			missing = append(missing, text)
		case !taken[id]:
			taken[id] = true
			chosen = append(chosen, e)
		}
	}
	return chosen, missing
}
