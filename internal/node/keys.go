package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/store"
)

const (
	// keysAtOnce and maxKeysAtOnce are how many keys one answer lists, by default and at most: some 600 bytes each.
	keysAtOnce    = 100
	maxKeysAtOnce = 1000
	// leastPrefix is how much of a record's id must be given to name it: so much does a table show.
	leastPrefix = 8
)

// keyList is one part of the keys that a caller asked for, oldest first.
type keyList struct {
	Now time.Time `json:"now"`
	// Total and Counts are of all that were asked for.
	Total  int                `json:"total"`
	Counts map[keys.State]int `json:"counts"`
	Keys   []keyReport        `json:"keys"`
	// Next is the value of after for the next part, absent in the last one.
	Next string `json:"next,omitempty"`
}

// keyQuery is what a caller asks for.
type keyQuery struct {
	store.Filter
	// all: also those that were acknowledged.
	all   bool
	limit int
	// after is the record behind which the part begins.
	after keys.Record
}

// listed are the states that are listed if none is asked for, all are those with what is under way. Only a delivered key
// must be asked for: there are as many as subscriptions.
var (
	listedStates = []keys.State{keys.Unconfirmed, keys.LostCreate, keys.Deleting}
	allStates    = append([]keys.State{keys.Intent, keys.Creating, keys.Created, keys.Attached, keys.Answered}, listedStates...)
)

func readKeyQuery(asked url.Values) (q keyQuery, err error) {
	q.limit, q.all = keysAtOnce, asked.Get("all") == "true"
	q.Integration, q.SubscriptionID = asked.Get("integration"), asked.Get("subscription")
	target := asked.Get("target")
	q.Account, q.Region, _ = strings.Cut(target, ":")
	if target != "" && !account.MatchString(q.Account) {
		return q, errors.New("target: want ACCOUNT or ACCOUNT:REGION, such as 111122223333:eu-west-1")
	}
	q.States = listedStates
	if q.all {
		q.States = allStates
	}
	if text := asked.Get("state"); text != "" {
		q.States = nil
		for state := range strings.SplitSeq(text, ",") {
			if !keys.State(state).Valid() {
				return q, fmt.Errorf("state: there is no state %q; there are %s and %s", state, joined(allStates), keys.Delivered)
			}
			q.States = append(q.States, keys.State(state))
		}
	}
	if text := asked.Get("limit"); text != "" {
		if q.limit, err = strconv.Atoi(text); err != nil || q.limit < 1 || q.limit > maxKeysAtOnce {
			return q, fmt.Errorf("limit: want a number from 1 to %d", maxKeysAtOnce)
		}
	}
	if text := asked.Get("after"); text != "" {
		at, id, _ := strings.Cut(text, ".")
		nanos, err := strconv.ParseInt(at, 10, 64)
		if err != nil || id == "" {
			return q, fmt.Errorf("after: %q is no next of an answer", text)
		}
		q.after = keys.Record{CreatedAt: time.Unix(0, nanos).UTC(), ID: id}
	}
	return q, nil
}

// account is the id of an AWS account.
var account = regexp.MustCompile(`^\d{12}$`)

func joined(states []keys.State) string {
	texts := make([]string, len(states))
	for n, s := range states {
		texts[n] = string(s)
	}
	return strings.Join(texts, ", ")
}

// listKeys lists the keys that a caller asks for. A part costs the caller one request and the agent one look at the
// journal: at all keys of a table only where the delivered ones are asked for.
func (a *api) listKeys(w http.ResponseWriter, r *http.Request) {
	q, err := readKeyQuery(r.URL.Query())
	if err != nil {
		writeJSON(w, http.StatusBadRequest, refused{Error: err.Error()})
		return
	}
	records, err := store.Records(r.Context(), a.Keys, q.Filter, !slices.Contains(q.States, keys.Delivered))
	if err != nil {
		writeJSON(w, http.StatusServiceUnavailable, refused{Error: "the key journal cannot be read: " + err.Error()})
		return
	}
	if !q.all {
		records = slices.DeleteFunc(records, keys.Record.IsAcknowledged)
	}
	list := keyList{Now: a.Now().UTC(), Total: len(records), Counts: map[keys.State]int{}, Keys: []keyReport{}}
	for _, r := range records {
		list.Counts[r.State]++
	}
	from, _ := slices.BinarySearchFunc(records, q.after, keys.Compare)
	if from < len(records) && keys.Compare(records[from], q.after) == 0 {
		from++
	}
	part := records[from:min(len(records), from+q.limit)]
	unserved, names := a.Board.Read().Unserved, a.apiNames(r.Context(), part)
	for _, r := range part {
		key := a.listedKey(r, unserved[r.ID])
		key.APIName = names[r.APIID]
		list.Keys = append(list.Keys, key)
	}
	if n := len(part); from+n < len(records) {
		list.Next = fmt.Sprintf("%d.%s", part[n-1].CreatedAt.UnixNano(), part[n-1].ID)
	}
	writeJSON(w, http.StatusOK, list)
}

// showKey shows one key, whatever its state.
func (a *api) showKey(w http.ResponseWriter, r *http.Request) {
	record, err := a.find(r.Context(), r.PathValue("id"))
	if err != nil {
		code, why := refusalOf(err)
		writeJSON(w, code, refused{Error: err.Error(), Why: why})
		return
	}
	writeJSON(w, http.StatusOK, a.listed(r.Context(), record))
}

// listedKey is one key as a list shows it. do is what the keeper says of a key that nothing configured reaches.
func (a *api) listedKey(r keys.Record, do string) keyReport {
	key := a.keyOf(r)
	switch {
	case r.State == keys.Deleting:
		key.Do = cmp.Or(do, "nothing: the agent tries again until AWS says that it is gone")
	case r.IsAcknowledged():
		key.Do = ""
	}
	return key
}

// listed is one key as an answer about it alone shows it.
func (a *api) listed(ctx context.Context, r keys.Record) keyReport {
	key := a.listedKey(r, a.Board.Read().Unserved[r.ID])
	key.APIName = a.apiNames(ctx, []keys.Record{r})[r.APIID]
	return key
}

// namesWithin bounds how long a list of keys waits for the names of their APIs.
const namesWithin = 2 * time.Second

// apiNames gives the names that AWS was last seen to give the APIs of some keys, by their ids.
func (a *api) apiNames(ctx context.Context, records []keys.Record) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, namesWithin)
	defer cancel()
	wanted, integrations := map[string]bool{}, map[string]bool{}
	for _, r := range records {
		wanted[r.APIID], integrations[r.Integration] = true, true
	}
	names := map[string]string{}
	for integration := range integrations {
		targets, _ := a.Listings.Listings(ctx, integration) // without names the ids are there
		for _, apis := range targets {
			for _, api := range apis {
				if wanted[api.ID] {
					names[api.ID] = api.Name
				}
			}
		}
	}
	return names
}

// find gives the record that somebody names: by its id or the beginning of it, or by AWS's id of the key. What people name
// is nearly always on a list, so that all the keys of a table need not be read.
func (a *api) find(ctx context.Context, name string) (keys.Record, error) {
	var begin []keys.Record
	for _, open := range []bool{true, false} {
		records, err := store.Records(ctx, a.Keys, store.Filter{}, open)
		if err != nil {
			return keys.Record{}, fmt.Errorf("the key journal cannot be read: %w", err)
		}
		begin = nil
		for _, r := range records {
			if r.ID == name || r.KeyID == name {
				return r, nil
			}
			if len(name) >= leastPrefix && strings.HasPrefix(r.ID, name) {
				begin = append(begin, r)
			}
		}
	}
	switch len(begin) {
	case 0:
		return keys.Record{}, keys.Gone(name)
	case 1:
		return begin[0], nil
	}
	return keys.Record{}, &keys.Refusal{Why: keys.Unknown, Text: fmt.Sprintf(
		"%d keys have ids that begin with %s: give more of it", len(begin), name)}
}
