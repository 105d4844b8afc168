package secrets

import (
	"context"

	"federation-agent/internal/secret"
)

// Files reads whole files.
type Files func(name string) ([]byte, error)

// Read implements [Provider].
func (f Files) Read(_ context.Context, r secret.Reference) (map[string]string, error) {
	content, err := f(r.Path)
	if err != nil {
		return nil, err
	}
	return map[string]string{"": string(content)}, nil
}
