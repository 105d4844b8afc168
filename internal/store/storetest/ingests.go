package storetest

import (
	"context"

	"federation-agent/internal/store"
)

// Note notes with which plans APIs are sent, as a job of one process does.
func Note(s store.Ingests, integration string, plans map[string][]string) error {
	_, err := s.Sending(context.Background(), store.OwnedJob{Integration: integration}, plans)
	return err
}

// PlansOf gives the plans with which each API of an integration was last sent.
func PlansOf(s store.Ingests, integration string) (map[string][]string, error) {
	sent, err := s.Sent(context.Background(), integration)
	return sent.Plans, err
}

func takenOf(s store.Ingests, integration, api string) (string, error) {
	sent, err := s.Sent(context.Background(), integration)
	return sent.Taken[api], err
}

func job(integration, id string) store.OwnedJob {
	return store.OwnedJob{Integration: integration, JobID: id}
}
