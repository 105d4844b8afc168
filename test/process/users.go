package process

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"federation-agent/internal/sandbox/apimsim"
)

// Users are those of APIM, who subscribe and end subscriptions. Its methods may be called from several goroutines.
type Users struct {
	APIM APIM

	mu       sync.Mutex
	asked    int             // subscriptions
	ended    map[string]bool // subscriptions that somebody asked to end
	repeated int             // of those, how many an interruption left accepted
}

// Subscribe plays a user who subscribes to the API's first plan. That APIM rejects the subscription is no error.
func (u *Users) Subscribe(ctx context.Context, api apimsim.APIView) (apimsim.SubscriptionView, error) {
	u.mu.Lock()
	u.asked++
	u.mu.Unlock()
	return u.APIM.Subscribe(ctx, api.ID, api.Plans[0].ID, "rig")
}

// AnAccepted chooses one of an integration's accepted subscriptions, by any number. It gives none while there are no
// more than keep of them, or APIM does not answer.
func (u *Users) AnAccepted(ctx context.Context, integration string, keep, which int) string {
	subscriptions, err := u.APIM.Subscriptions(ctx)
	if err != nil {
		return ""
	}
	var accepted []string
	for _, s := range subscriptions {
		if s.IntegrationID == integration && s.Status == apimsim.SubscriptionAccepted {
			accepted = append(accepted, s.ID)
		}
	}
	if len(accepted) <= keep {
		return ""
	}
	return accepted[which%len(accepted)]
}

// Unsubscribe plays a user who ends a subscription. An error leaves it accepted; [Users.Repeat] asks again.
func (u *Users) Unsubscribe(ctx context.Context, id string) error {
	u.mu.Lock()
	if u.ended == nil {
		u.ended = map[string]bool{}
	}
	u.ended[id] = true
	u.mu.Unlock()
	return u.APIM.Unsubscribe(ctx, id)
}

// Repeat asks again for each end that was interrupted, as APIM's user would: the key may be gone already.
func (u *Users) Repeat(ctx context.Context) error {
	subscriptions, err := u.APIM.Subscriptions(ctx)
	if err != nil {
		return err
	}
	for _, s := range subscriptions {
		u.mu.Lock()
		interrupted := s.Status == apimsim.SubscriptionAccepted && u.ended[s.ID]
		u.mu.Unlock()
		if !interrupted {
			continue
		}
		if err := u.Unsubscribe(ctx, s.ID); err != nil {
			return fmt.Errorf("repeating an interrupted UNSUBSCRIBE: %w", err)
		}
		u.repeated++
	}
	return nil
}

// Key is an API key in AWS.
type Key struct {
	ID    string            `json:"id"`
	Name  string            `json:"name"`
	Plans []json.RawMessage `json:"plans"`
}

// Keys are all that the stand-in for AWS has, by its URL.
func Keys(ctx context.Context, aws string) ([]Key, error) {
	return Ask[[]Key](ctx, http.MethodGet, aws+"/_sandbox/aws/keys", nil)
}
