package apigateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Room limits how many bytes of answers are in memory at the same time. It is for exports, whose size has no limit. AWS
// tells the size only at the beginning of its answer; the rest of the answer waits in the connection until it is read.
type Room interface {
	// Take waits until the answer has room for this many bytes, including what it took before. It fails with the
	// context's error, or if nobody wants the answer any more.
	Take(ctx context.Context, bytes int64) error
	// Drop gives back what was taken, if anything was.
	Drop()
}

const (
	// roomTime is how long an answer waits for room. It is half of an attempt's time: the other half is left to read it.
	roomTime = 20 * time.Second
	// firstPart, in bytes, is what an answer that does not tell its size takes at first. Most are smaller.
	firstPart = 128 << 10
)

// noRoom ends an attempt whose answer found no room in time. AWS answered; the agent gave the answer up.
type noRoom struct{ bytes int64 }

func (e *noRoom) Error() string {
	return fmt.Sprintf("no room in memory for an answer of %d bytes within %s", e.bytes, roomTime)
}

// Unwrap makes it a call that the caller gave up. It is not repeated here: the caller repeats it once there is room.
func (e *noRoom) Unwrap() error { return context.Canceled }

// NoRoom reports whether an answer was given up because it found no room in time, and how large it is.
func NoRoom(err error) (bytes int64, givenUp bool) {
	if e, ok := errors.AsType[*noRoom](err); ok {
		return e.bytes, true
	}
	return 0, false
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

// takeRoom waits for room for an answer whose header has arrived. An answer that does not tell its size takes room
// while it is read.
func takeRoom(ctx context.Context, raw any) error {
	room, wanted := roomOf(ctx)
	answer, ok := raw.(*smithyhttp.Response)
	switch {
	case !wanted || !ok || answer.StatusCode >= http.StatusMultipleChoices:
		return nil // an error's text is short, and must be read at once: it may say that the quota is used up
	case answer.ContentLength >= 0:
		return takeInTime(ctx, room, answer.ContentLength)
	default:
		answer.Body = &measuredBody{ReadCloser: answer.Body, ctx: ctx, room: room}
		return nil
	}
}

func takeInTime(ctx context.Context, room Room, bytes int64) error {
	inTime, cancel := context.WithTimeout(ctx, roomTime)
	defer cancel()
	err := room.Take(inTime, bytes)
	if err != nil && ctx.Err() == nil && inTime.Err() != nil {
		return &noRoom{bytes}
	}
	return err
}

// measuredBody is a body of unknown size. Whenever its room is full it takes twice as much, as the SDK's buffer does.
type measuredBody struct {
	io.ReadCloser
	ctx         context.Context // of the attempt
	room        Room
	read, taken int64
}

// Read implements io.Reader.
func (b *measuredBody) Read(p []byte) (int, error) {
	if b.read >= b.taken {
		b.taken = max(firstPart, 2*b.taken)
		if err := takeInTime(b.ctx, b.room, b.taken); err != nil {
			return 0, err
		}
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.taken-b.read)])
	b.read += int64(n)
	return n, err
}
