package exports

import "context"

// Copies takes room for a document as it comes, and for the encoded one: until that is there, both are held. So is a
// third one, where so many bytes of servers are put into it.
type Copies struct {
	*Claim
	Servers int64
}

// Take takes room for a document of so many bytes, and waits for it. An OpenAPI document as AWS lays it out grows by an
// eighth to a sixth when it is encoded, by its quotes and line breaks; a quarter leaves room for the rest of the API.
// Errors: the context's.
func (c Copies) Take(ctx context.Context, bytes int64) error {
	all := bytes + bytes + bytes/4
	if c.Servers > 0 {
		all += bytes + c.Servers + c.Servers + c.Servers/4
	}
	return c.Claim.Take(ctx, all)
}
