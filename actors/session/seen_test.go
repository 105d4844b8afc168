package session

import (
	"fmt"
	"testing"
	"time"
)

func TestAnIDCountsOnceForAsLongAsItsDuplicateMayCome(t *testing.T) {
	var s seen
	now := time.Unix(0, 0)
	if !s.first("a", now) || s.first("a", now.Add(seenFor)) {
		t.Error("within its time an id comes first once")
	}
	if !s.first("a", now.Add(seenFor+1)) {
		t.Error("after its time an id is forgotten")
	}
}

func TestHoweverManyIDsComeSoManyAreRemembered(t *testing.T) {
	var s seen
	now := time.Unix(0, 0)
	for n := range seenMost + 10 {
		s.first(fmt.Sprint(n), now)
	}
	if len(s.at) != seenMost || len(s.order) != seenMost {
		t.Errorf("%d and %d are remembered", len(s.at), len(s.order))
	}
	if s.first(fmt.Sprint(seenMost+9), now) || !s.first("0", now) {
		t.Error("the oldest go first")
	}
}
