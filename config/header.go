package config

import (
	"context"
	"net/http"
)

// Header is what a connection is asked for with. It reads what is live once more: a token that was rotated counts from
// this connection on.
func (c Connector) Header(ctx context.Context) http.Header {
	out := http.Header{}
	for _, h := range c.Headers {
		h.Value.Refresh(ctx)
		out.Add(h.Name, h.Value.Reveal())
	}
	return out
}
