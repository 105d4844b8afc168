package apigateway

import (
	"context"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Room bounds the bytes of the answers that are read at a time. It is for exports, which may be of any size: AWS tells it
// only when it begins to answer, and the rest stays where it is until it is read.
type Room interface {
	// Take waits until there is room for an answer of so many bytes, after giving back what was taken before. It fails
	// with the context's error only. The wait is part of the attempt's time.
	Take(ctx context.Context, bytes int64) error
	// Drop gives back what was taken, if anything was.
	Drop()
}

type roomKey struct{}

// WithRoom has the answer to a call made with the context ask for room before it is read. What an answer that was read
// has taken is the caller's to give back, what one that failed has is given back here.
func WithRoom(ctx context.Context, room Room) context.Context {
	return context.WithValue(ctx, roomKey{}, room)
}

func roomOf(ctx context.Context) (Room, bool) {
	room, ok := ctx.Value(roomKey{}).(Room)
	return room, ok
}

// takeRoom asks for room for an answer whose head is there. One that does not tell its size is read without.
func takeRoom(ctx context.Context, raw any) error {
	room, wanted := roomOf(ctx)
	answer, ok := raw.(*smithyhttp.Response)
	if !wanted || !ok || answer.ContentLength <= 0 {
		return nil
	}
	return room.Take(ctx, answer.ContentLength)
}
