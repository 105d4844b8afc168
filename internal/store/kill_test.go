//go:build unix

package store

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"federation-agent/internal/keys"
)

// childDir tells this test binary that it is the child which writes until it is killed.
const childDir = "STORE_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := writeForEver(dir, os.Getenv("STORE_TEST_CHILD_ROUND")); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeForEver takes keys through their states and says on standard output what it was promised, after the promise.
func writeForEver(dir, round string) error {
	s, health := Open(dir, Options{})
	if !health.Durable || len(health.Messages) > 0 {
		return fmt.Errorf("%v", health.Messages)
	}
	for n := 0; ; n++ {
		rec := keyRecord(fmt.Sprintf("%s-%d", round, n), keys.Intent)
		for _, state := range []keys.State{keys.Intent, keys.Creating, keys.Created, keys.Deleting} {
			rec.State = state
			if err := put(s, rec); err != nil {
				return err
			}
			fmt.Println("put", rec.ID, state)
		}
		// Something larger now and then, so that the file is rewritten.
		if err := s.SaveListing(context.Background(), "i", "t", []RememberedAPI{{ID: rec.ID, Name: strings.Repeat("x", n%7*30_000)}}); err != nil {
			return err
		}
		if n%3 > 0 {
			fmt.Println("removing", rec.ID)
			if err := removeKey(s, rec.ID); err != nil {
				return err
			}
			fmt.Println("removed", rec.ID)
		}
	}
}

func TestWhatWasPromisedSurvivesKill9(t *testing.T) {
	dir := t.TempDir()
	promised := map[string]keys.State{} // what must be there
	rng := rand.New(rand.NewPCG(9, 9))
	total := 0
	for round := range 20 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprintf("STORE_TEST_CHILD_ROUND=%d", round))
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		lines := bufio.NewScanner(out)
		var removing string
		pending := map[string]bool{} // said to be under way when the child died: either way is right
		for read, enough := 0, rng.IntN(60); lines.Scan(); read++ {
			if read == enough {
				must(t, child.Process.Kill())
			}
			word := strings.Fields(lines.Text())
			switch word[0] {
			case "put":
				promised[word[1]] = keys.State(word[2])
				total++
			case "removing":
				removing = word[1]
				pending[removing] = true
			case "removed":
				delete(promised, word[1])
				delete(pending, word[1])
			default:
				t.Fatalf("round %d: %s", round, lines.Text())
			}
		}
		_ = child.Wait()

		s, health := openIn(t, dir)
		wantHealth(t, health, true)
		records, err := recordsIn(s, Filter{})
		must(t, err)
		found := map[string]keys.Record{}
		for _, rec := range records {
			found[rec.ID] = rec
		}
		for id, state := range promised {
			rec, ok := found[id]
			switch {
			case !ok && pending[id]:
				delete(promised, id)
			case !ok:
				t.Fatalf("round %d: %s %s is lost", round, id, state)
			case rec.State != state && !state.CanBecome(rec.State):
				t.Fatalf("round %d: %s is %s, promised was %s", round, id, rec.State, state)
			}
		}
		unknown := maps.Clone(found)
		maps.DeleteFunc(unknown, func(id string, _ keys.Record) bool { _, ok := promised[id]; return ok })
		if len(unknown) > 1 { // the first write of this one was not told yet
			t.Fatalf("round %d: records that were removed came back: %v", round, unknown)
		}
		for id, rec := range unknown {
			promised[id] = rec.State
		}
		for id, rec := range found {
			promised[id] = rec.State
		}
		must(t, s.Close())
	}
	if total < 100 {
		t.Errorf("%d writes in all: the children were killed before they wrote", total)
	}
}
