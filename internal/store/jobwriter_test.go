package store

import (
	"context"
	"errors"
	"slices"
	"testing"
)

var errRefused = errors.New("the job cannot be written")

// startless is a journal that takes no job.
type startless struct {
	Ingests
	noted []string
}

func (*startless) Start(context.Context, IngestJob) error { return errRefused }

func (s *startless) Sending(_ context.Context, _ OwnedJob, plans map[string][]string) ([]string, error) {
	for api := range plans {
		s.noted = append(s.noted, api)
	}
	return nil, nil
}

// A journal of one process forgets no plans because a job could not be written: the batch leaves in any case. Where
// processes share the journal, it does not leave.
func TestPlansAreNotedOfAJobThatCannotBeWritten(t *testing.T) {
	for owner, want := range map[string][]string{"": {"api"}, "me": nil} {
		journal := &startless{}
		w := NewJobWriter(journal, OwnedJob{Integration: "I", JobID: "J", Owner: owner})
		w.Begins(IngestJob{Total: 1})
		_, err := w.Sending(t.Context(), map[string][]string{"api": {"plan"}})
		if !errors.Is(err, errRefused) || !slices.Equal(journal.noted, want) {
			t.Errorf("owner %q: noted %v, %v", owner, journal.noted, err)
		}
	}
}
