package tablestore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"federation-agent/internal/store"
	"federation-agent/internal/table"
)

// How a listing stands in the table: its head, in the partition [partitionListings] with the integration and the target
// as the sort key. The attributes:
//
//	v, token            the version of its last write
//	hash                of what is in it
//	data                the listing, compressed; of a large one its beginning
//	generation, parts   where the rest of a large one is, and in how many parts: in the partition [partitionListingParts]
//
// The parts of a generation are written before the head names it, and never changed. So whoever reads has the listing of
// one write, and the last head wins. A process that ends between the parts and their head leaves them in the table for
// good, some 300 KB each: nobody can tell them from those of one that is about to write its head.
const (
	partitionListings     = "listing"
	partitionListingParts = "listing-part"

	attributeHash = "hash"
)

// listing is what this process last knew of a head; zero: that there is none.
type listing struct {
	version    store.Version
	hash       string
	generation string
	parts      int
}

func listingOf(head table.Item) listing {
	return listing{
		version: store.Version{Number: head[attributeVersion].Number(), Token: head[attributeToken].Text()},
		hash:    head[attributeHash].Text(), generation: head[attributeGeneration].Text(),
		parts: int(head[attributeParts].Number()),
	}
}

// known gives what this process last knew of a head.
func (s *Store) known(of table.Key) listing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.listings[of]
}

// know notes it. A zero listing is not kept.
func (s *Store) know(of table.Key, is listing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if is == (listing{}) {
		delete(s.listings, of)
		return
	}
	s.listings[of] = is
}

// SaveListing implements [store.Listings]. One that is as this process last wrote or read it costs no call, and one that
// another process has written already no write.
func (s *Store) SaveListing(ctx context.Context, integration, target string, apis []store.RememberedAPI) error {
	if integration == "" || target == "" {
		return fmt.Errorf("%w: a listing of the target %q of the integration %q", store.ErrInvalid, target, integration)
	}
	key, hash := listingKey(integration, target), hashOf(apis)
	now := s.known(key)
	if now.hash == hash {
		return nil
	}
	packed, err := pack(append([]store.RememberedAPI{}, apis...)) // never nil, which would be written as null
	if err != nil {
		return err
	}
	chunks := slices.Collect(slices.Chunk(packed, partBytes))
	next := listing{hash: hash, parts: len(chunks) - 1}
	set := table.Item{attributeHash: table.Text(hash), attributeData: table.Bytes(chunks[0])}
	remove := []string{attributeGeneration, attributeParts}
	if next.parts > 0 {
		next.generation = s.token()
		for n, chunk := range chunks[1:] {
			if err := s.send(ctx, listingPart(integration, target, next.generation, n), table.Change{
				Set: table.Item{attributeData: table.Bytes(chunk)},
			}); err != nil {
				s.dropParts(ctx, integration, target, next)
				return err
			}
		}
		set[attributeGeneration], set[attributeParts] = table.Text(next.generation), table.Number(int64(next.parts))
		remove = nil
	}
	for {
		next.version = store.Version{Number: now.version.Number + 1, Token: s.token()}
		set[attributeVersion], set[attributeToken] = table.Number(next.version.Number), table.Text(next.version.Token)
		err = s.send(ctx, key, table.Change{
			Set: set, Remove: remove, If: unchanged(now.version.Number, now.version.Token),
		})
		refused, ok := errors.AsType[*table.RefusedError](err)
		switch {
		case err == nil, ok && refused.Item[attributeToken].Text() == next.version.Token:
			s.know(key, next)
			s.dropParts(ctx, integration, target, now)
			return nil
		case !ok:
			if !errors.Is(err, store.ErrUnknown) { // else the head may name them, or may still
				s.dropParts(ctx, integration, target, next)
			}
			s.know(key, listing{})
			return err
		}
		if now = listingOf(refused.Item); now.hash == hash {
			s.know(key, now)
			s.dropParts(ctx, integration, target, next)
			return nil
		}
	}
}

// dropParts deletes the parts of a listing that nobody reads any more. One that stays costs next to nothing.
func (s *Store) dropParts(ctx context.Context, integration, target string, of listing) {
	for n := range of.parts {
		_ = s.items.Delete(ctx, listingPart(integration, target, of.generation, n), table.Condition{})
	}
}

// Listings implements [store.Listings]. It is one query, and a read for each part of those that are larger than an item.
func (s *Store) Listings(ctx context.Context, integration string) (map[string][]store.RememberedAPI, error) {
	heads, err := s.items.Query(ctx, table.Query{Partition: partitionListings, Prefix: join(integration)})
	if err != nil {
		return nil, err
	}
	all := map[string][]store.RememberedAPI{}
	var damaged []error
	for _, head := range heads {
		ids, err := split(head.Key.Sort, 2)
		if err != nil {
			continue // a newer version's
		}
		target := ids[1]
		apis, is, err := s.readListing(ctx, integration, target, head.Item)
		switch {
		case errors.Is(err, store.ErrDamaged):
			damaged = append(damaged, err)
			is.hash = "" // so that the next listing is written, whatever is in it
		case err != nil:
			return nil, err
		case apis != nil:
			all[target] = apis
		}
		s.know(head.Key, is)
	}
	return all, errors.Join(damaged...)
}

// readListing gives what a head names; nil if it was forgotten meanwhile. Where a part is missing, the listing was
// replaced, and the head is read again.
func (s *Store) readListing(
	ctx context.Context, integration, target string, head table.Item,
) (apis []store.RememberedAPI, is listing, err error) {
	for range rereads {
		is = listingOf(head)
		data := head[attributeData].Bytes()
		missing := false
		for n := 0; n < is.parts && !missing; n++ {
			part, err := s.items.Get(ctx, listingPart(integration, target, is.generation, n))
			if err != nil {
				return nil, is, err
			}
			missing = part == nil
			data = append(data, part[attributeData].Bytes()...)
		}
		if !missing {
			if err := unpack(data, &apis); err != nil {
				return nil, is, fmt.Errorf("%w: the last listing of %s: %w", store.ErrDamaged, target, err)
			}
			return apis, is, nil
		}
		if head, err = s.items.Get(ctx, listingKey(integration, target)); err != nil {
			return nil, is, err
		}
		if head == nil {
			return nil, listing{}, nil
		}
	}
	return nil, is, fmt.Errorf("%w: the last listing of %s: a part of it is missing", store.ErrDamaged, target)
}

// ForgetListing implements [store.Listings].
func (s *Store) ForgetListing(ctx context.Context, integration, target string) error {
	key := listingKey(integration, target)
	for now := s.known(key); ; {
		err := s.erase(ctx, key, unchanged(now.version.Number, now.version.Token))
		refused, ok := errors.AsType[*table.RefusedError](err)
		if ok && refused.Item != nil {
			now = listingOf(refused.Item)
			continue
		}
		s.know(key, listing{})
		if ok || err == nil {
			s.dropParts(ctx, integration, target, now)
			return nil
		}
		return err
	}
}

// erase deletes an item on a condition, and again where the answer is lost: deleting twice is deleting once.
func (s *Store) erase(ctx context.Context, key table.Key, on table.Condition) error {
	lost := false
	for range writes {
		err := s.items.Delete(ctx, key, on)
		switch {
		case errors.Is(err, table.ErrUnknown):
			lost = true
		case errors.Is(err, table.ErrNotWritten) && !lost:
			return fmt.Errorf("%w: %w", store.ErrNotWritten, err)
		case errors.Is(err, table.ErrNotWritten):
			return fmt.Errorf("%w: %w", store.ErrUnknown, err)
		default:
			return err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return store.ErrUnknown
}

// hashOf tells listings apart, also those that another version has compressed.
func hashOf(apis []store.RememberedAPI) string {
	sum := sha256.New()
	for _, a := range apis {
		fmt.Fprintf(sum, "%q %q %t\n", a.ID, a.Name, a.Gone)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

func listingKey(integration, target string) table.Key {
	return table.Key{Partition: partitionListings, Sort: join(integration, target)}
}

func listingPart(integration, target, generation string, n int) table.Key {
	return table.Key{Partition: partitionListingParts, Sort: join(integration, target, generation, strconv.Itoa(n))}
}
