package status

import (
	"cmp"
	"slices"
	"time"
)

// TargetState says whether AWS can be used with a role in a region.
type TargetState string

// The states of a target.
const (
	// Resolving: credentials and account are being found.
	Resolving TargetState = "resolving"
	// Ready: the account is known, and AWS answered the last call, if there was one.
	Ready TargetState = "ready"
	// Failed: AWS could not be used the last time that the agent tried.
	Failed TargetState = "failed"
	// Standby: another role of the account serves the region. This one is not tried until that one fails.
	Standby TargetState = "standby"
	// Off: nobody has named the region, and it is off for the account. It is asked for again once a day.
	Off TargetState = "off"
)

// Said is the state as people read it, with the time of the last listing: an account that is known is all that is known
// before AWS was listed. Keys may have been made there.
func (s TargetState) Said(listed time.Time) string {
	switch {
	case s == Resolving:
		return "finding the account"
	case s == Standby:
		return "stands by for another role"
	case s == Off:
		return "off for the account"
	case s == Ready && listed.IsZero():
		return "not listed yet"
	}
	return string(s)
}

// TargetStates are all of them.
func TargetStates() []TargetState { return []TargetState{Resolving, Ready, Failed, Standby, Off} }

// Target is one region with one role.
type Target struct {
	// Account is empty until it is known.
	Account string `json:"account,omitempty"`
	Region  string `json:"region"`
	// Role is the role's ARN, empty for the credentials' own account.
	Role  string      `json:"role,omitempty"`
	State TargetState `json:"state"`
	// Since is when the target came to this state.
	Since time.Time `json:"since"`
	// Failure says why it failed, and what to do about it, for people.
	Failure string `json:"failure,omitempty"`
	// Order is its place in the configuration.
	Order int `json:"-"`
	Listed
}

// Listed is the result of a target's listings since the process began.
type Listed struct {
	// At is when the last complete listing began; zero means that there was none.
	At time.Time `json:"listedAt,omitzero"`
	// APIs and Stages are what it found to federate: REST APIs, and their stages, each of which is one federated API.
	APIs   int `json:"restApis"`
	Stages int `json:"stages"`
	// Failure is why a listing was not complete, empty once a later one was.
	Failure  string    `json:"listingFailure,omitempty"`
	FailedAt time.Time `json:"listingFailedAt,omitzero"`
	// OutOfReach is why AWS cannot be used for now, empty while it can. Documents wait for it.
	OutOfReach      string    `json:"outOfReach,omitempty"`
	OutOfReachSince time.Time `json:"outOfReachSince,omitzero"`
	// DomainsUnknown is why not all custom domain names are known, empty if they are, or are not asked for.
	DomainsUnknown string `json:"customDomainsUnknown,omitempty"`
}

type targetKey struct{ region, role string }

type listing struct {
	Listed
	failing time.Time // since when no listing has succeeded; zero if the last one did
}

// Target notes the state of a region with a role.
func (b *Board) Target(id string, t Target) {
	b.with(id, func(i *integration) {
		key := targetKey{t.Region, t.Role}
		if old := i.targets[key]; old.State == t.State && old.Failure == t.Failure {
			t.Since = old.Since
		}
		t.Since = t.Since.UTC()
		i.targets[key] = t
	})
}

func (i *integration) listing(p Place, change func(*listing)) {
	l := i.listings[p]
	change(&l)
	i.listings[p] = l
}

// Listed notes what a complete listing found.
func (b *Board) Listed(id string, p Place, apis, stages int, at time.Time) {
	b.with(id, func(i *integration) {
		i.listing(p, func(l *listing) { l.At, l.APIs, l.Stages = at.UTC(), apis, stages })
	})
}

// ListingEnded notes why a listing failed, or, with an empty text, that AWS answered all that was asked.
func (b *Board) ListingEnded(id string, p Place, why string, at time.Time) {
	b.with(id, func(i *integration) {
		i.listing(p, func(l *listing) {
			if why == "" {
				l.Failure, l.FailedAt, l.failing = "", time.Time{}, time.Time{}
				return
			}
			l.Failure, l.FailedAt = why, at.UTC()
			l.failing = cmp.Or(l.failing, l.FailedAt)
		})
	})
}

// OutOfReach notes why AWS cannot be used for a place for now; an empty text says that it can.
func (b *Board) OutOfReach(id string, p Place, why string, at time.Time) {
	b.with(id, func(i *integration) {
		i.listing(p, func(l *listing) {
			l.OutOfReach, l.OutOfReachSince = why, at.UTC()
			if why == "" {
				l.OutOfReachSince = time.Time{}
			}
		})
	})
}

// DomainsUnknown notes why AWS does not list all custom domain names of a place; an empty text says that it does.
func (b *Board) DomainsUnknown(id string, p Place, why string) {
	b.with(id, func(i *integration) { i.listing(p, func(l *listing) { l.DomainsUnknown = why }) })
}

func (i *integration) readTargets() []Target {
	serves := map[Place]int{}
	for _, t := range i.targets {
		place := Place{t.Account, t.Region}
		if order, there := serves[place]; (t.State == Ready || t.State == Off) && (!there || t.Order < order) {
			serves[place] = t.Order
		}
	}
	out := make([]Target, 0, len(i.targets))
	for _, t := range i.targets {
		place := Place{t.Account, t.Region}
		if t.State == Ready && t.Order != serves[place] {
			t.State = Standby
		} else {
			t = t.with(i.listings[place])
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Target) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Role, b.Role))
	})
	return out
}

// with gives the target's state its truth: one whose account is known, and that cannot be used, is not ready.
func (t Target) with(l listing) Target {
	t.Listed = l.Listed
	switch {
	case t.State != Ready:
	case l.OutOfReach != "":
		t.State, t.Since, t.Failure = Failed, l.OutOfReachSince, l.OutOfReach
	case l.Failure != "":
		t.State, t.Since, t.Failure = Failed, l.failing, l.Failure
	}
	return t
}
