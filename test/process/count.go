package process

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"federation-agent/internal/federation"
	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/store"
)

// Count is every key in AWS held against APIM and the journal.
type Count struct {
	Asked, Accepted, Rejected, Closed int
	// Ended is how many subscriptions users asked to end, Repeated how many of these were interrupted and asked for again.
	Ended, Repeated         int
	Attached, Unattached    int
	Unconfirmed, LostCreate int
	// unconfirmedAccepted are unconfirmed keys whose subscription APIM did accept.
	unconfirmedAccepted int
	// orphans are attached keys that neither APIM nor the journal knows; keyless are accepted subscriptions
	// without an attached key; pending are records that the journal still works on.
	orphans, keyless, pending []string
}

// Count counts when no agent runs any more.
func (r *Rig) Count(ctx context.Context) (Count, error) {
	journal, health := store.Open(r.data, store.Options{})
	if !health.Durable {
		return Count{}, fmt.Errorf("the journal cannot be read: %v", health.Messages)
	}
	defer journal.Close()
	records, err := store.Records(ctx, journal, store.Filter{}, false)
	if err != nil {
		return Count{}, err
	}
	return r.Users.Count(ctx, r.aws, records)
}

// Count holds the keys of the stand-in for AWS, by its URL, against APIM and these records of a journal.
func (u *Users) Count(ctx context.Context, aws string, records []keys.Record) (Count, error) {
	subscriptions, err := u.APIM.Subscriptions(ctx)
	if err != nil {
		return Count{}, err
	}
	inAWS, err := Keys(ctx, aws)
	c := CountKeys(subscriptions, inAWS, records)
	c.Asked, c.Ended, c.Repeated = u.asked, len(u.ended), u.repeated
	return c, err
}

// CountKeys holds keys against subscriptions and records of a journal.
func CountKeys(subscriptions []apimsim.SubscriptionView, inAWS []Key, records []keys.Record) (c Count) {
	wanted := map[string]string{} // key id -> subscription, of the accepted ones
	for _, s := range subscriptions {
		switch s.Status {
		case apimsim.SubscriptionAccepted:
			c.Accepted++
			wanted[s.Metadata[federation.MetadataKeyID]] = s.ID
		case apimsim.SubscriptionRejected:
			c.Rejected++
		default:
			c.Closed++
		}
	}
	listed := map[string]bool{}
	for _, record := range records {
		switch record.State {
		case keys.Unconfirmed:
			c.Unconfirmed++
			listed[record.KeyID] = true
			if wanted[record.KeyID] != "" {
				c.unconfirmedAccepted++
			}
		case keys.LostCreate:
			c.LostCreate++
		case keys.Delivered:
		default:
			c.pending = append(c.pending, fmt.Sprintf("%s %s", record.State, record.KeyID))
		}
	}
	attached := map[string]bool{}
	for _, key := range inAWS {
		if len(key.Plans) == 0 {
			c.Unattached++
			continue
		}
		c.Attached++
		attached[key.ID] = true
		if wanted[key.ID] == "" && !listed[key.ID] {
			c.orphans = append(c.orphans, key.ID)
		}
	}
	for key, id := range wanted {
		if !attached[key] {
			c.keyless = append(c.keyless, id)
		}
	}
	slices.Sort(c.orphans)
	slices.Sort(c.keyless)
	return c
}

// Useless are unconfirmed keys whose subscription APIM did not accept, or holds with another key.
func (c Count) Useless() int { return c.Unconfirmed - c.unconfirmedAccepted }

// String is a table.
func (c Count) String() string {
	return fmt.Sprintf(`subscriptions asked for                       %5d
  accepted by APIM                            %5d
  rejected                                    %5d
  closed again                                %5d  (%d of them asked for twice)
keys attached in AWS                          %5d
  = accepted + listed unconfirmed, of no use  %5d  (%d + %d)
listed unconfirmed                            %5d  (%d of them accepted)
keys not attached in AWS                      %5d
  <= listed lost creates                      %5d
`, c.Asked, c.Accepted, c.Rejected, c.Closed, c.Repeated, c.Attached,
		c.Accepted+c.Useless(), c.Accepted, c.Useless(),
		c.Unconfirmed, c.unconfirmedAccepted, c.Unattached, c.LostCreate)
}

// Wrong says what does not add up, if anything does not.
func (c Count) Wrong() error {
	var wrong []error
	if len(c.orphans) > 0 {
		wrong = append(wrong, fmt.Errorf("attached keys that nobody knows: %v", c.orphans))
	}
	if len(c.keyless) > 0 {
		wrong = append(wrong, fmt.Errorf("accepted subscriptions without a key: %v", c.keyless))
	}
	if c.Closed > c.Ended {
		wrong = append(wrong, fmt.Errorf("APIM has closed %d subscriptions, and users ended %d", c.Closed, c.Ended))
	}
	if len(c.pending) > 0 {
		wrong = append(wrong, fmt.Errorf("the journal has not come to rest: %v", c.pending))
	}
	if sum := c.Accepted + c.Useless(); c.Attached != sum {
		wrong = append(wrong, fmt.Errorf("%d keys are attached, %d are accounted for", c.Attached, sum))
	}
	if c.Unattached > c.LostCreate {
		wrong = append(wrong, fmt.Errorf("%d keys are not attached, and only %d lost creates are listed",
			c.Unattached, c.LostCreate))
	}
	return errors.Join(wrong...)
}
