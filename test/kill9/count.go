package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"federation-agent/internal/federation"
	"federation-agent/internal/store"
)

// count is every key in AWS held against APIM and the journal.
type count struct {
	asked, accepted, rejected, closed int
	repeated                          int
	attached, unattached              int
	unconfirmed, lostCreates          int
	// unconfirmedAccepted are unconfirmed keys whose subscription APIM did accept.
	unconfirmedAccepted int
	// orphans are attached keys that neither APIM nor the journal knows; keyless are accepted subscriptions
	// without an attached key; pending are records that the journal still works on.
	orphans, keyless, pending []string
}

func (r *rig) count(ctx context.Context, data string) (count, error) {
	c := count{asked: r.subscribed, repeated: r.repeated}
	subscriptions, err := r.subscriptions(ctx)
	if err != nil {
		return c, err
	}
	wanted := map[string]string{} // key id -> subscription, of the accepted ones
	for _, s := range subscriptions {
		switch s.Status {
		case "ACCEPTED":
			c.accepted++
			wanted[s.Metadata[federation.MetadataKeyID]] = s.ID
		case "REJECTED":
			c.rejected++
		default:
			c.closed++
		}
	}
	var keys []struct {
		ID    string            `json:"id"`
		Plans []json.RawMessage `json:"plans"`
	}
	if err := get(ctx, r.aws+"/_sandbox/aws/keys", &keys); err != nil {
		return c, err
	}
	journal, health := store.Open(data, store.Options{})
	if !health.Durable {
		return c, fmt.Errorf("the journal cannot be read: %v", health.Messages)
	}
	defer journal.Close()
	records, err := journal.Records(store.Filter{})
	if err != nil {
		return c, err
	}
	listed := map[string]bool{}
	for _, record := range records {
		switch record.State {
		case store.StateUnconfirmed:
			c.unconfirmed++
			listed[record.KeyID] = true
			if wanted[record.KeyID] != "" {
				c.unconfirmedAccepted++
			}
		case store.StateLostCreate:
			c.lostCreates++
		case store.StateDelivered:
		default:
			c.pending = append(c.pending, fmt.Sprintf("%s %s", record.State, record.KeyID))
		}
	}
	attached := map[string]bool{}
	for _, key := range keys {
		if len(key.Plans) == 0 {
			c.unattached++
			continue
		}
		c.attached++
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
	return c, nil
}

func (c count) print(rounds int) {
	fmt.Printf(`
rounds (kill -9)                              %5d
subscriptions asked for                       %5d
  accepted by APIM                            %5d
  rejected                                    %5d
  closed again                                %5d  (%d of them asked for twice)
keys attached in AWS                          %5d
  = accepted + listed unconfirmed, of no use  %5d  (%d + %d)
listed unconfirmed                            %5d  (%d of them accepted)
keys not attached in AWS                      %5d
  <= listed lost creates                      %5d
`, rounds, c.asked, c.accepted, c.rejected, c.closed, c.repeated, c.attached,
		c.accepted+c.unconfirmed-c.unconfirmedAccepted, c.accepted, c.unconfirmed-c.unconfirmedAccepted,
		c.unconfirmed, c.unconfirmedAccepted, c.unattached, c.lostCreates)
}

// verdict says what is wrong, if anything is.
func (c count) verdict(atLeast int) error {
	var wrong []error
	if len(c.orphans) > 0 {
		wrong = append(wrong, fmt.Errorf("attached keys that nobody knows: %v", c.orphans))
	}
	if len(c.keyless) > 0 {
		wrong = append(wrong, fmt.Errorf("accepted subscriptions without a key: %v", c.keyless))
	}
	if len(c.pending) > 0 {
		wrong = append(wrong, fmt.Errorf("the journal has not come to rest: %v", c.pending))
	}
	if sum := c.accepted + c.unconfirmed - c.unconfirmedAccepted; c.attached != sum {
		wrong = append(wrong, fmt.Errorf("%d keys are attached, %d are accounted for", c.attached, sum))
	}
	if c.unattached > c.lostCreates {
		wrong = append(wrong, fmt.Errorf("%d keys are not attached, and only %d lost creates are listed", c.unattached, c.lostCreates))
	}
	for kind, n := range map[string]int{"accepted": c.accepted, "unconfirmed": c.unconfirmed, "lost create": c.lostCreates} {
		if n < atLeast {
			wrong = append(wrong, fmt.Errorf("only %d keys of the kind %q occurred: this run says too little, run more rounds", n, kind))
		}
	}
	return errors.Join(wrong...)
}
