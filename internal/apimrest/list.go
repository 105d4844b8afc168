package apimrest

import (
	"context"
	"fmt"
	"net/http"
)

// request sends for one page of a list. Pages count from 1.
type request func(ctx context.Context, page, perPage *int) (*http.Response, error)

// list reads all pages of a list: one request, or one for each further 500 entries. APIM sorts APIs by their last
// update, so that pages shift while an ingest runs: a list that has not as many entries as it says is read once more.
func list[T any](ctx context.Context, c *Client, doing string, id func(T) *string, send request) ([]T, error) {
	const attempts = 2
	for range attempts {
		all, total, err := read(ctx, c, doing, id, send)
		if err != nil || total < 0 || len(all) == total {
			return all, err
		}
	}
	return nil, &Error{
		Class: Unusable, Doing: doing,
		Text: "the list changed while it was read, twice, as it does while an ingest runs; try again when none does",
	}
}

// read reads a list once. Entries that come twice count once. Total is how many the last page says that there are, or
// -1 where it does not.
func read[T any](
	ctx context.Context, c *Client, doing string, id func(T) *string, send request,
) (all []T, total int, err error) {
	seen := map[string]bool{}
	for number := 1; ; number++ {
		answer, err := ask[page[T]](ctx, c, doing, c.options.Timeout, "data", func(ctx context.Context) (*http.Response, error) {
			size := perPage
			return send(ctx, &number, &size)
		})
		if err != nil {
			return nil, 0, err
		}
		for _, entry := range answer.Data {
			if key := text(id(entry)); key != "" && !seen[key] {
				seen[key] = true
				all = append(all, entry)
			}
		}
		if len(all) > maxEntries || number > maxPages {
			return nil, 0, &Error{
				Class: Unusable, Doing: doing,
				Text: fmt.Sprintf("the list has more than %d entries or %d pages", maxEntries, maxPages),
			}
		}
		if answer.isLast(number) {
			return all, answer.total(), nil
		}
	}
}

// page is one page of any list.
type page[T any] struct {
	Data       []T         `json:"data"`
	Pagination *pagination `json:"pagination"`
}

type pagination struct {
	PageCount  *int `json:"pageCount"`
	TotalCount *int `json:"totalCount"`
}

// isLast goes by the number of pages, because the other side may give fewer entries than it was asked for.
func (p page[T]) isLast(number int) bool {
	switch {
	case len(p.Data) == 0:
		return true
	case p.Pagination != nil && value(p.Pagination.PageCount) > 0:
		return number >= *p.Pagination.PageCount
	}
	return len(p.Data) < perPage
}

func (p page[T]) total() int {
	if p.Pagination == nil || p.Pagination.TotalCount == nil {
		return -1
	}
	return *p.Pagination.TotalCount
}

// value is what a member of an answer holds, or the zero value where it is missing.
func value[T any](member *T) (v T) {
	if member != nil {
		v = *member
	}
	return v
}

func text(member *string) string { return value(member) }
