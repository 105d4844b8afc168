package apigateway

import (
	"context"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Room limits how many bytes of answers are in memory at the same time. It is for exports, whose size has no limit. AWS
// tells the size only at the beginning of its answer; the rest of the answer waits in the connection until it is read.
type Room interface {
	// Take gives back what was taken before, then waits until there is room for an answer of this many bytes. It fails
	// only with the context's error. The wait is part of the attempt's time.
	Take(ctx context.Context, bytes int64) error
	// Drop gives back what was taken, if anything was.
	Drop()
}

type roomKey struct{}

// WithRoom makes the answer to a call with this context wait for room before it is read. The caller must give back the
// room of an answer that was read. The room of a failed answer is given back here.
func WithRoom(ctx context.Context, room Room) context.Context {
	return context.WithValue(ctx, roomKey{}, room)
}

func roomOf(ctx context.Context) (Room, bool) {
	room, ok := ctx.Value(roomKey{}).(Room)
	return room, ok
}

// takeRoom waits for room for an answer whose header has arrived. An answer that does not tell its size is read without
// room.
func takeRoom(ctx context.Context, raw any) error {
	room, wanted := roomOf(ctx)
	answer, ok := raw.(*smithyhttp.Response)
	if !wanted || !ok || answer.ContentLength <= 0 {
		return nil
	}
	return room.Take(ctx, answer.ContentLength)
}
