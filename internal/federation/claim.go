package federation

import (
	"slices"
	"time"
)

// Claim is the loss of plans that AWS's listing has shown of an API: it was sent with plans that the listing lacks. To
// send the API would delete these plans in APIM, and all of their subscriptions. A deployment that deletes plans and
// makes them again looks the same for some minutes. So no plan is given up on the word of one listing.
type Claim struct {
	// Lost are the ids of the plans that are missing, in order. None: there is no claim.
	Lost []string
	// Since is when the listing that showed it was complete: what it says of plans may be as young as that.
	Since time.Time
	// Confirmed: a second listing has shown the same. The API may be sent.
	Confirmed bool
}

// SecondLook is how much later than the first one a listing must begin to confirm a claim. By then a deployment that
// deletes and makes plans, and a wrong answer of AWS, are over.
const SecondLook = 5 * time.Minute

// Judge gives what becomes of an API's claim, if there is one, by a listing that shows the API with some plans, and
// that was begun and complete at some times. wait is how much later a listing must begin to confirm: [SecondLook], or
// nothing if the operator accepts every loss that was named before.
//
//	the listing lacks, of the plans sent | claim before | listing begun      | claim then
//	nothing                              | any          | at any time        | none: withdrawn
//	something                            | none         | at any time        | made, as of its completion
//	more than the claim says             | any          | at any time        | made again, as of its completion
//	what the claim says, or a part of it | unconfirmed  | before Since+wait  | as it was
//	what the claim says, or a part of it | unconfirmed  | later              | confirmed, for what is missing now
//	what the claim says, or a part of it | confirmed    | at any time        | confirmed, for what is missing now
func (c Claim) Judge(sent, now []string, begun, complete time.Time, wait time.Duration) Claim {
	var lost []string
	for _, plan := range sent {
		if !slices.Contains(now, plan) && !slices.Contains(lost, plan) {
			lost = append(lost, plan)
		}
	}
	slices.Sort(lost)
	unseen := func(plan string) bool { return !slices.Contains(c.Lost, plan) }
	switch {
	case len(lost) == 0:
		return Claim{}
	case len(c.Lost) == 0, slices.ContainsFunc(lost, unseen):
		return Claim{Lost: lost, Since: complete}
	case c.Confirmed, begun.After(c.Since) && begun.Sub(c.Since) >= wait:
		return Claim{Lost: lost, Since: c.Since, Confirmed: true}
	default:
		return c
	}
}
