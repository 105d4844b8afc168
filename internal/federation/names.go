package federation

import (
	"cmp"
	"slices"
	"strings"
)

// Named is an API with its identity and its name in AWS, which need not be unique.
type Named struct {
	ID   ID
	Name string
}

// MaxAPIName is the longest name of a federated API, in characters. AWS allows 1,024. We know no limit of APIM's. This
// is half of what its longest ordinary text columns hold, and more than its console shows.
const MaxAPIName = 512

// maxSuffix is the room for the brackets after a name: a stage of up to 128 characters, a region, an account and a REST
// API id, with separators.
const maxSuffix = 192

// Names are the names of federated APIs in APIM: the name in AWS, and in brackets the fewest parts that make it unique,
// if several APIs of the same integration have the same name. Of the sets of parts that make all these names different,
// the one with the fewest parts is taken, and among those the first in the order stage, region, account. The REST API
// id comes last.
//
//	APIs that AWS calls "Orders"                       | names
//	one                                                | Orders
//	stages prod, dev                                   | Orders [prod] · Orders [dev]
//	regions eu-west-1, us-east-1, both prod            | Orders [eu-west-1] · Orders [us-east-1]
//	accounts 1…, 2…, same stage and region             | Orders [1…] · Orders [2…]
//	prod and dev in each of two regions                | Orders [prod, eu-west-1] · Orders [dev, eu-west-1] · …
//	prod in eu-west-1, dev in us-east-1                | Orders [prod] · Orders [dev]
//	two REST APIs, same stage, region and account      | Orders [a1b2c3] · Orders [d4e5f6]
//	the result is also another API's own name          | more parts, until all names differ
//	its target was never listed to the end             | Orders [prod], always
//
// A name depends only on the whole catalogue, not on the order of the list, nor on the part of it that is sent. The
// zero value is for as long as no target was listed to the end.
type Names struct {
	groups map[string]*nameGroup // by the name in AWS
}

// NamedOf are a target's entries, as [NewNames] needs them together with those of all other targets.
func NamedOf(t Target, entries []Entry) []Named {
	out := make([]Named, len(entries))
	for i, e := range entries {
		out[i] = Named{ID: e.ID(t), Name: e.API.Name}
	}
	return out
}

// NewNames decides the names of *all* APIs of an integration: the last complete listings of all its targets, even if
// only a part of them is sent.
func NewNames(catalogue []Named) Names {
	all := make([]Named, len(catalogue))
	for i, n := range catalogue {
		all[i] = Named{Name: baseName(n.Name, n.ID), ID: n.ID}
	}
	slices.SortFunc(all, func(a, b Named) int { return cmp.Or(cmp.Compare(a.Name, b.Name), CompareIDs(a.ID, b.ID)) })
	all = slices.Compact(all)

	names := Names{groups: map[string]*nameGroup{}}
	ids := make([]ID, len(all)) // of all groups, so that little more than this array stays in memory
	for from := 0; from < len(all); {
		to := from
		for ; to < len(all) && all[to].Name == all[from].Name; to++ {
			ids[to] = all[to].ID
		}
		base, same := all[from].Name, ids[from:to:to]
		names.groups[base] = &nameGroup{base: base, ids: same, level: firstDistinct(same, 0)}
		from = to
	}
	names.settle(len(all))
	return names
}

// Of is the name of one API. An API that was not in the catalogue, or had another name there, shows its stage.
func (n Names) Of(id ID, awsName string) string {
	base, level := baseName(awsName, id), stageLevel
	if g := n.groups[base]; g != nil {
		if _, known := slices.BinarySearchFunc(g.ids, id, CompareIDs); known {
			level = g.level
		}
	}
	return base + suffix(id, level)
}

// OfLiving is like Of, but stages of the same REST API that do not exist do not count. stages are those that exist. So
// an API has the right name as soon as AWS has said what exists, and not only after the next listing.
func (n Names) OfLiving(id ID, awsName string, stages []string) string {
	g := n.groups[baseName(awsName, id)]
	if g == nil {
		return n.Of(id, awsName)
	}
	sibling := func(other ID) bool { return other.Target() == id.Target() && other.RestAPI == id.RestAPI }
	gone := func(other ID) bool { return sibling(other) && !slices.Contains(stages, other.Stage) }
	at, known := slices.BinarySearchFunc(g.ids, id, CompareIDs)
	from, to := at, at // siblings stand side by side, because the ids are in order
	for from > 0 && sibling(g.ids[from-1]) {
		from--
	}
	for to < len(g.ids) && sibling(g.ids[to]) {
		to++
	}
	if !known || !slices.ContainsFunc(g.ids[from:to], gone) {
		return n.Of(id, awsName)
	}
	living := slices.DeleteFunc(slices.Clone(g.ids), gone)
	level := firstDistinct(living, 0)
	for level < g.level && n.isOfAnother(g.base+suffix(id, level), g) {
		level = firstDistinct(living, level+1)
	}
	return g.base + suffix(id, level)
}

// isOfAnother reports whether an API of another group has a name.
func (n Names) isOfAnother(name string, g *nameGroup) bool {
	for end := range len(name) + 1 {
		if end < len(name) && !strings.HasPrefix(name[end:], " [") {
			continue
		}
		other := n.groups[name[:end]]
		if other != nil && other != g && slices.ContainsFunc(other.ids, func(id ID) bool {
			return name[end:] == suffix(id, other.level)
		}) {
			return true
		}
	}
	return false
}

// nameGroup is all APIs with the same name in AWS.
type nameGroup struct {
	base  string
	ids   []ID // in order
	level int  // index into suffixParts
}

// part is a set of an identity's parts. They stand in brackets in this order.
type part uint8

const (
	partStage part = 1 << iota
	partRegion
	partAccount
	partAPI
)

// suffixParts are the sets of parts in the order in which they are tried. The last one is the whole identity.
var suffixParts = [...]part{
	0,
	partStage, partRegion, partAccount,
	partStage | partRegion, partStage | partAccount, partRegion | partAccount,
	partStage | partRegion | partAccount,
	partAPI, partStage | partAPI, partStage | partRegion | partAPI, partStage | partRegion | partAccount | partAPI,
}

const (
	// stageLevel is the set of parts with only the stage.
	stageLevel = 1
	lastLevel  = len(suffixParts) - 1
)

func suffix(id ID, level int) string {
	parts := suffixParts[level]
	if parts == 0 {
		return ""
	}
	texts := make([]string, 0, 4)
	for i, text := range [...]string{id.Stage, id.Region, id.Account, id.RestAPI} {
		if parts&(1<<i) != 0 {
			texts = append(texts, text)
		}
	}
	return " [" + strings.Join(texts, ", ") + "]"
}

// firstDistinct is the first level, beginning with from, at which all suffixes differ. At the last level they always
// do, because it is the whole identity.
func firstDistinct(ids []ID, from int) int {
	for level := from; level < lastLevel; level++ {
		seen := make(map[string]struct{}, len(ids))
		for _, id := range ids {
			seen[suffix(id, level)] = struct{}{}
		}
		if len(seen) == len(ids) {
			return level
		}
	}
	return lastLevel
}

// settle raises the levels of groups with a name that another group has too, as when AWS has an API whose own name is
// "Orders [prod]". Each round raises a group, so the loop ends. At the last level names end with identities and all
// differ. size is the number of APIs.
func (n Names) settle(size int) {
	for {
		owner := make(map[string]*nameGroup, size)
		collide := map[*nameGroup]struct{}{}
		for _, g := range n.groups {
			for _, id := range g.ids {
				name := g.base + suffix(id, g.level)
				if other, taken := owner[name]; taken && other != g {
					collide[g], collide[other] = struct{}{}, struct{}{}
				}
				owner[name] = g
			}
		}
		raised := false
		for g := range collide {
			if g.level < lastLevel {
				g.level = firstDistinct(g.ids, g.level+1)
				raised = true
			}
		}
		if !raised {
			return
		}
	}
}

// baseName is the name in AWS, printable and short enough for any suffix. An API without a name has its id as its name.
func baseName(awsName string, id ID) string {
	return cmp.Or(Cut(line(awsName), MaxAPIName-maxSuffix), id.RestAPI)
}
