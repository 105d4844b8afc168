package awssim

import (
	"encoding/base64"
	"strconv"
)

// Page sizes of listings (AWS documents them). The default is the classic discovery bug.
const (
	defaultPageSize = 25
	maxPageSize     = 500
)

// page is a part of a listing as AWS sends it. On the wire every listing is called `item`; it is the SDKs
// that call it Items, in all but GetStages (read in the SDK's deserialisers).
type page[T any] struct {
	Items    []T    `json:"item"`
	Position string `json:"position,omitempty"`
}

// pageLimit reads `limit`: more than 500 means 500 (believed), and less than 0 gives an empty page
// (recorded).
func pageLimit(r *request) (int, *apiError) {
	text := r.query.Get("limit")
	if text == "" {
		return min(defaultPageSize, r.maxPage), nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil {
		return 0, badRequest("Invalid limit specified")
	}
	if limit == 0 {
		return min(defaultPageSize, r.maxPage), nil
	}
	return min(max(limit, 0), r.maxPage), nil
}

func pagePosition(r *request) (uint64, *apiError) {
	token := r.query.Get("position")
	if token == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, badRequest("Invalid position parameter")
	}
	seq, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || seq == 0 {
		return 0, badRequest("Invalid position parameter")
	}
	return seq, nil
}

// listing answers one page of a region's table. The lock is held while rows are picked, not while they
// are encoded.
func listing[T, W any](r *request, t *table[T], o order, match func(*T) bool, wire func(*T) W) (page[W], *apiError) {
	limit, bad := pageLimit(r)
	if bad != nil {
		return page[W]{}, bad
	}
	after, bad := pagePosition(r)
	if bad != nil {
		return page[W]{}, bad
	}
	out := page[W]{Items: []W{}}
	if limit == 0 {
		return out, nil
	}
	r.region.mu.Lock()
	values, next := t.page(after, limit, o, match)
	r.region.mu.Unlock()
	for _, v := range values {
		out.Items = append(out.Items, wire(v))
	}
	if next != 0 {
		out.Position = base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatUint(next, 10)))
	}
	return out, nil
}

func all[T any](*T) bool { return true }
