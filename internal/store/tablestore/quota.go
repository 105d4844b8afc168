package tablestore

import (
	"context"
	"errors"
	"strings"

	"federation-agent/internal/quota"
	"federation-agent/internal/table"
)

// How a ledger stands in the table. Its partition is [partitionQuota] and its sort key the account and the region. The
// attributes:
//
//	v, token      the version of its last change
//	lowered       by how much throttles have lowered the rate, in thousandths
//	h.ID.FIELD    a field of the holder ID. A holder without a count is not there
//	kept.ID       what the member ID keeps for keys, in thousandths
const (
	partitionQuota = "quota"

	attributeLowered = "lowered"
	holderPrefix     = "h."
	keptPrefix       = "kept."
	fieldCount       = "count"
)

// Change writes a ledger of an account and region where nobody has changed it meanwhile. If somebody has, it gives what
// is there instead. Errors: as those of a write of [table.Items]; a write that may have been taken shows in the
// ledger later, by its holder's count.
func (s *Store) Change(
	ctx context.Context, account, region string, from, to quota.Ledger,
) (now quota.Ledger, taken bool, err error) {
	key := table.Key{Partition: partitionQuota, Sort: join(account, region)}
	on := unchanged(from.Version.Number, from.Version.Token)
	err = s.items.Update(ctx, key, changeOf(ledgerItem(from), ledgerItem(to), on))
	if refused, ok := errors.AsType[*table.RefusedError](err); ok {
		return ledgerOf(refused.Item), false, nil
	}
	return to, err == nil, err
}

// giveBackTries is how often a ledger is written that others change at the same time, each once a second or so.
const giveBackTries = 3

// giveBack takes a member out of all ledgers. Without it, others have its rate only once it has been silent for a while.
func (s *Store) giveBack(ctx context.Context, member string) error {
	found, err := s.items.Query(ctx, table.Query{Partition: partitionQuota})
	for _, f := range found {
		of, wrong := split(f.Key.Sort, 2) //nolint:mnd // account and region
		if wrong != nil {
			continue // a newer version's
		}
		for is, try := ledgerOf(f.Item), 0; try < giveBackTries; try++ {
			to, held := is.Without(member)
			if !held {
				break
			}
			now, taken, failed := s.Change(ctx, of[0], of[1], is, to)
			if err = errors.Join(err, failed); taken || failed != nil {
				break
			}
			is = now
		}
	}
	return err
}

// holderFields are a holder's numbers, as attributes.
var holderFields = []struct {
	name string
	of   func(*quota.Holder) *int64
}{
	{fieldCount, func(h *quota.Holder) *int64 { return &h.Count }},
	{"rate", func(h *quota.Holder) *int64 { return &h.Rate }},
	{"want", func(h *quota.Holder) *int64 { return &h.Want }},
	{"keys", func(h *quota.Holder) *int64 { return &h.Keys }},
	{"most.rate", func(h *quota.Holder) *int64 { return &h.MostRate }},
	{"most.burst", func(h *quota.Holder) *int64 { return &h.MostBurst }},
}

// ledgerItem is a ledger as it stands in the table; nil if it is not there.
func ledgerItem(l quota.Ledger) table.Item {
	if l.Version == (quota.Version{}) {
		return nil
	}
	item := table.Item{
		attributeVersion: table.Number(l.Version.Number), attributeToken: table.Text(l.Version.Token),
		attributeLowered: table.Number(l.Lowered),
	}
	for id, h := range l.Holders {
		for _, f := range holderFields {
			item[holderPrefix+id+"."+f.name] = table.Number(*f.of(&h))
		}
	}
	for id, kept := range l.Kept {
		item[keptPrefix+id] = table.Number(kept)
	}
	return item
}

func ledgerOf(item table.Item) quota.Ledger {
	l := quota.Ledger{
		Version: quota.Version{Number: item[attributeVersion].Number(), Token: item[attributeToken].Text()},
		Lowered: item[attributeLowered].Number(), Holders: map[string]quota.Holder{},
		Kept: map[string]int64{},
	}
	for name, value := range item {
		if id, kept := strings.CutPrefix(name, keptPrefix); kept {
			l.Kept[id] = value.Number()
		}
		id, isCount := strings.CutSuffix(name, "."+fieldCount)
		id, isHolder := strings.CutPrefix(id, holderPrefix)
		if !isCount || !isHolder {
			continue
		}
		var h quota.Holder
		for _, f := range holderFields {
			*f.of(&h) = item[holderPrefix+id+"."+f.name].Number()
		}
		l.Holders[id] = h
	}
	return l
}
