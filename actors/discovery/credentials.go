package discovery

import (
	"context"
	"sync"

	"federation-agent/internal/apigateway"
)

// CredentialsSource makes one integration's credentials when they are first needed, and keeps them: a role
// is assumed once for all regions. A failure is not kept, so that the next who asks tries again.
type CredentialsSource struct {
	options apigateway.CredentialsOptions
	// asking is held by who asks STS for an account: targets start together and shall ask once.
	asking chan struct{}

	mu          sync.Mutex
	credentials *apigateway.Credentials
	accounts    map[string]string // by role
}

func NewCredentialsSource(options apigateway.CredentialsOptions) *CredentialsSource {
	return &CredentialsSource{options: options, asking: make(chan struct{}, 1), accounts: map[string]string{}}
}

func (s *CredentialsSource) get(ctx context.Context) (*apigateway.Credentials, error) {
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

// account is whose credentials a target uses. STS is asked once for all regions: the account is the same.
func (s *CredentialsSource) account(ctx context.Context, region, role string) (string, error) {
	select {
	case s.asking <- struct{}{}:
		defer func() { <-s.asking }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	credentials, err := s.get(ctx)
	if err != nil {
		return "", err
	}
	if account := s.knownAccount(role); account != "" {
		return account, nil
	}
	account, err := credentials.AccountID(ctx, region, role)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[role] = account
	return account, nil
}

func (s *CredentialsSource) knownAccount(role string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[role]
}
