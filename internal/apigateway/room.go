package apigateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/smithy-go"
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
	// largestPart, in bytes, is the largest that it is read in.
	largestPart = 1 << 20
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
		if err := takeInTime(ctx, room, answer.ContentLength); err != nil {
			return err
		}
	default:
		body, size, err := gather(ctx, room, answer.Body)
		if err != nil {
			return err
		}
		answer.Body, answer.ContentLength = body, size
	}
	// The SDK makes its buffer as large as it is told, and doubles it to see that there is nothing more, unless this much
	// is left.
	answer.ContentLength += bytes.MinRead
	return nil
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

// gathered is a body that has been read, in parts.
type gathered struct {
	io.Closer
	parts [][]byte
}

// gather reads a body of unknown size. In parts, because the SDK's buffer would be made anew whenever it is full, twice
// as large: of an answer that is too large to be used, two and a half times as much would be left as garbage.
func gather(ctx context.Context, room Room, body io.ReadCloser) (g *gathered, size int64, err error) {
	g = &gathered{Closer: body}
	for err == nil {
		part := min(max(firstPart, size), largestPart)
		if err = takeInTime(ctx, room, size+part); err != nil {
			break
		}
		buffer, n := make([]byte, part), 0
		for n < len(buffer) && err == nil {
			var more int
			more, err = body.Read(buffer[n:])
			n += more
		}
		g.parts, size = append(g.parts, buffer[:n]), size+int64(n)
	}
	if !errors.Is(err, io.EOF) {
		return nil, size, &smithy.DeserializationError{Err: fmt.Errorf("reading the answer: %w", err)}
	}
	return g, size, nil
}

// Read implements io.Reader. What was read is let go of.
func (g *gathered) Read(p []byte) (int, error) {
	for len(g.parts) > 0 && len(g.parts[0]) == 0 {
		g.parts[0] = nil
		g.parts = g.parts[1:]
	}
	if len(g.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p, g.parts[0])
	g.parts[0] = g.parts[0][n:]
	return n, nil
}
