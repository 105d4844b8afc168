package actors

import (
	"context"
	"sync"

	"federation-agent/internal/apigateway"
)

// credentialsSource makes one integration's credentials when they are first needed, and keeps them: a role
// is assumed once for all regions. A failure is not kept, so that the next who asks tries again.
type credentialsSource struct {
	options apigateway.CredentialsOptions

	mu          sync.Mutex
	credentials *apigateway.Credentials
}

func (s *credentialsSource) get(ctx context.Context) (*apigateway.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.credentials != nil {
		return s.credentials, nil
	}
	credentials, err := apigateway.NewCredentials(ctx, s.options)
	if err == nil {
		s.credentials = credentials
	}
	return credentials, err
}
