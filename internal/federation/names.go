package federation

import (
	"cmp"
	"slices"
	"strings"
)

// Named is an API by its identity and the name that AWS gives it, which need not be unique.
type Named struct {
	ID   ID
	Name string
}

// MaxAPIName bounds a federated API's name, in characters. AWS allows 1,024. No limit of APIM's is known to us; this is
// half of what fits its longest ordinary text columns, and more than its console shows.
const MaxAPIName = 512

// maxSuffix is the room kept for what follows a name in brackets: a stage of up to 128, a region, an account and a REST
// API id, with separators.
const maxSuffix = 192

// Names are what federated APIs are called in APIM: the name AWS gives, and, only where several in the same integration
// would bear the same one, the least that tells them apart in brackets. Of the sets of parts that make all of those alike
// distinct, the one with the fewest parts is taken, then the one that comes first in stage, region, account; the REST API id
// is the last resort.
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
// A name depends on the whole catalogue and on nothing else: not on the order of the list, nor on which part of it is sent.
// The zero value is the naming while no target was listed to the end.
type Names struct {
	groups map[string]*nameGroup // by the name that AWS gives
}

// NamedOf are a target's entries, ready to be judged by [NewNames] together with all other targets'.
func NamedOf(t Target, entries []Entry) []Named {
	out := make([]Named, len(entries))
	for i, e := range entries {
		out[i] = Named{ID: e.ID(t), Name: e.API.Name}
	}
	return out
}

// NewNames judges the names of *all* APIs of an integration: the last complete listings of all its targets, whatever
// subset is being sent.
func NewNames(catalogue []Named) Names {
	type based struct {
		base string
		id   ID
	}
	all := make([]based, len(catalogue))
	for i, n := range catalogue {
		all[i] = based{base: baseName(n.Name, n.ID), id: n.ID}
	}
	slices.SortFunc(all, func(a, b based) int { return cmp.Or(cmp.Compare(a.base, b.base), compareIDs(a.id, b.id)) })
	all = slices.Compact(all)

	ids := make([]ID, len(all)) // of all groups: what is kept is this array and little more
	var groups []*nameGroup
	for from := 0; from < len(all); {
		to := from
		for ; to < len(all) && all[to].base == all[from].base; to++ {
			ids[to] = all[to].id
		}
		g := &nameGroup{base: all[from].base, ids: ids[from:to:to]}
		g.level = firstDistinct(g.ids, 0)
		groups = append(groups, g)
		from = to
	}
	settle(groups)

	names := Names{groups: make(map[string]*nameGroup, len(groups))}
	for _, g := range groups {
		names.groups[g.base] = g
	}
	return names
}

// Of is the name of one API. An API that was not in the catalogue, or bore another name there, shows its stage.
func (n Names) Of(id ID, awsName string) string {
	base, level := baseName(awsName, id), stageLevel
	if g := n.groups[base]; g != nil {
		if _, known := slices.BinarySearchFunc(g.ids, id, compareIDs); known {
			level = g.level
		}
	}
	return base + suffix(id, level)
}

// nameGroup is all APIs that AWS calls the same.
type nameGroup struct {
	base  string
	ids   []ID // in order
	level int  // index into suffixParts
}

const (
	// stageLevel is the set of parts that holds the stage alone.
	stageLevel = 1
	// levels is how many sets of parts there are; the last is the whole identity.
	levels    = 12
	lastLevel = levels - 1
)

// part is a set of an identity's parts, in brackets in this order.
type part uint8

const (
	partStage part = 1 << iota
	partRegion
	partAccount
	partAPI
)

// suffixParts are the sets of parts in the order in which they are tried. An array: it is made for every name, and
// costs no memory.
func suffixParts() [levels]part {
	return [...]part{
		0,
		partStage, partRegion, partAccount,
		partStage | partRegion, partStage | partAccount, partRegion | partAccount,
		partStage | partRegion | partAccount,
		partAPI, partStage | partAPI, partStage | partRegion | partAPI, partStage | partRegion | partAccount | partAPI,
	}
}

func suffix(id ID, level int) string {
	parts := suffixParts()[level]
	if parts == 0 {
		return ""
	}
	var texts [4]string
	n := 0
	for i, text := range [...]string{id.Stage, id.Region, id.Account, id.RestAPI} {
		if parts&(1<<i) != 0 {
			texts[n] = text
			n++
		}
	}
	return " [" + strings.Join(texts[:n], ", ") + "]"
}

// firstDistinct is the first level, from the given one on, at which all suffixes differ. The last level always does: it is
// the identity.
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

// settle raises groups whose names collide with another group's, as when AWS has an API that is really called
// "Orders [prod]". Each round raises a group, so it ends; at the last level names end with identities and cannot collide.
func settle(groups []*nameGroup) {
	for {
		owner := map[string]*nameGroup{}
		collide := map[*nameGroup]struct{}{}
		for _, g := range groups {
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

// baseName is the name that AWS gives, printable and short enough for any suffix.
func baseName(awsName string, id ID) string {
	name := Cut(line(awsName), MaxAPIName-maxSuffix)
	if name == "" {
		return id.RestAPI
	}
	return name
}

func compareIDs(a, b ID) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region),
		cmp.Compare(a.RestAPI, b.RestAPI), cmp.Compare(a.Stage, b.Stage))
}
