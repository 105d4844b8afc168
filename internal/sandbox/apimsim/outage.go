package apimsim

import (
	"context"
	"slices"

	"github.com/gorilla/websocket"
)

// Drop is what agents see when that in which a controller runs goes away under it: sockets are closed with
// 1000 and nobody is told GOOD_BYE (run, exchange 1.5.2 to 2.0.1). New upgrades get 410 until Resume. It
// returns when all sockets are gone or ctx ends. What was stored stays.
func (a *APIM) Drop(ctx context.Context) error {
	a.mu.Lock()
	a.stopping = true
	open := slices.Clone(a.open)
	a.mu.Unlock()
	for _, s := range open {
		s.closeWith(websocket.CloseNormalClosure, "")
	}
	return awaitGone(ctx, open)
}

func awaitGone(ctx context.Context, sessions []*session) error {
	for _, s := range sessions {
		select {
		case <-s.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
