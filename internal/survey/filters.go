package survey

import (
	"maps"
	"slices"
	"strings"

	"federation-agent/config"
	"federation-agent/internal/federation"
	"federation-agent/internal/words"
)

// Filtering is what one entry of a filter does.
type Filtering struct {
	Setting string `json:"setting"`
	Entry   string `json:"entry"`
	// Keeps is how many of those that are federated an including entry matches, Drops how many of all an excluding one
	// matches. Of says what is counted.
	Keeps int     `json:"keeps"`
	Drops int     `json:"drops"`
	Of    Counted `json:"of"`
	// Unused says that it does nothing.
	Unused bool `json:"unused"`
}

// Counted is what the number of a [Filtering] counts.
type Counted string

// What is counted.
const (
	restAPIs Counted = "restApis"
	stages   Counted = "stages"
)

// Unused is what a filter names in vain.
type Unused struct {
	Setting string   `json:"setting,omitempty"`
	Names   []string `json:"names"`
	// Meant are those of the known names or tags that are spelt like them, Known all of these.
	Meant []string `json:"didYouMean,omitempty"`
	Known []string `json:"known"`
	// LeftOut are those of the names that match something, which other settings leave out, or no usage plan contains.
	LeftOut []string `json:"leftOut,omitempty"`
}

// String is as in "Prod; did you mean prod? There are: dev, prod".
func (u Unused) String() string {
	text := words.Few(u.Names, words.Many, ", ")
	if len(u.Meant) > 0 {
		text += "; did you mean " + words.Few(u.Meant, words.Many, ", ") + "?"
	} else {
		text += "."
	}
	if len(u.LeftOut) > 0 {
		text += " Spelt right, and left out by another setting or for want of a usage plan: " +
			words.Few(u.LeftOut, words.Many, ", ") + "."
	}
	switch {
	case len(u.Known) == 0:
		return text + " None is known"
	case len(u.LeftOut) == len(u.Names):
		return strings.TrimSuffix(text, ".")
	}
	return text + " There are: " + words.Few(u.Known, words.Many, ", ")
}

// Filters are what each entry of a filter does, and what each setting names in vain: an including entry that no
// federated API has, an excluding one that nothing has. apis are those that are federated. Listings that are not
// complete say nothing.
func Filters(f federation.Filter, apis []federation.NamedEntry, listings []Listing) (does []Filtering, vain []Unused) {
	rules := f.All()
	if len(rules) == 0 {
		return nil, nil
	}
	var all, federated []located
	for _, l := range listings {
		if !l.Complete {
			continue
		}
		for _, e := range federation.Candidates(l.APIs, l.Plans, l.Asked) {
			all = append(all, located{l.Target, e})
		}
	}
	for _, e := range apis {
		federated = append(federated, located{e.Target, e.Entry})
	}
	for _, r := range rules {
		unused := Unused{Setting: r.Setting}
		for _, entry := range r.Entries {
			d := Filtering{Setting: r.Setting, Entry: entry, Of: restAPIs}
			if r.Of.OfStage() {
				d.Of = stages
			}
			if r.Exclude {
				d.Drops = count(all, r.Of, entry)
			} else {
				d.Keeps = count(federated, r.Of, entry)
			}
			if d.Unused = d.Keeps+d.Drops == 0; d.Unused {
				unused.Names = append(unused.Names, entry)
			}
			does = append(does, d)
		}
		if len(unused.Names) == 0 {
			continue
		}
		unused.Known = known(all, r.Of)
		for _, name := range unused.Names {
			if count(all, r.Of, name) > 0 {
				unused.LeftOut = append(unused.LeftOut, name)
				continue
			}
			for _, like := range near(name, unused.Known, r.Of) {
				if !slices.Contains(unused.Meant, like) {
					unused.Meant = append(unused.Meant, like)
				}
			}
		}
		vain = append(vain, unused)
	}
	return does, vain
}

// located is an entry with its target.
type located struct {
	federation.Target
	federation.Entry
}

// count is how many REST APIs or stages an entry of a filter matches, each once.
func count(of []located, s federation.Subject, entry string) int {
	found := map[federation.ID]bool{}
	for _, l := range of {
		if l.Stage == "" && s.OfStage() || !s.Matches(entry, l.Entry) {
			continue
		}
		id := l.ID(l.Target)
		if !s.OfStage() {
			id.Stage = ""
		}
		found[id] = true
	}
	return len(found)
}

// known are all names, or all tags, each once and in order.
func known(of []located, s federation.Subject) []string {
	found := map[string]bool{}
	addTags := func(tags map[string]string) {
		for key, value := range tags {
			found[key+"="+value] = true
		}
	}
	for _, l := range of {
		switch {
		case s == federation.APIName:
			found[l.API.Name] = true
		case s == federation.APITag:
			addTags(l.API.Tags)
		case s == federation.StageName && l.Stage != "":
			found[l.Stage] = true
		case s == federation.StageTag && l.Details != nil:
			addTags(l.Details.Tags)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// near are the known names or tags that a misspelt entry was meant for: the same in upper or lower case, or with a
// typing error, with those that differ from them in upper or lower case only. There is none where none is like it.
func near(entry string, known []string, s federation.Subject) []string {
	alike := slices.Clone(known)
	for n, name := range known {
		if s.OfTags() && !strings.Contains(entry, "=") {
			alike[n], _, _ = strings.Cut(name, "=")
		}
	}
	like := config.Meant(entry, alike)
	for _, name := range slices.Backward(alike) {
		if federation.Matches(strings.ToLower(entry), strings.ToLower(name)) {
			like = name
		}
	}
	if like != "" {
		return slices.Compact(slices.DeleteFunc(alike, func(name string) bool { return !strings.EqualFold(name, like) }))
	}
	if key, _, valued := strings.Cut(entry, "="); valued && s.OfTags() && !slices.ContainsFunc(known, func(tag string) bool {
		return strings.HasPrefix(tag, key+"=")
	}) {
		return near(key, known, s)
	}
	return nil
}
