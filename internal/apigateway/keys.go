package apigateway

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"federation-agent/internal/secret"
)

// keysAge is how old live keys may be: a key that was rotated is used within this time. When AWS refuses a key, the
// next call reads it again at once.
const keysAge = time.Minute

// ownKeys provides the keys of the settings, as they are now.
type ownKeys [3]secret.String

func (o CredentialsOptions) keys() ownKeys {
	return ownKeys{o.AccessKeyID, o.SecretAccessKey, o.SessionToken}
}

func (k ownKeys) areLive() bool { return slices.ContainsFunc(k[:], secret.String.IsLive) }

// Retrieve implements aws.CredentialsProvider.
func (k ownKeys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	for _, text := range k {
		text.Refresh(ctx)
	}
	c := aws.Credentials{
		AccessKeyID: k[0].Reveal(), SecretAccessKey: k[1].Reveal(), SessionToken: k[2].Reveal(), Source: "settings",
	}
	if k.areLive() {
		c.CanExpire, c.Expires = true, time.Now().Add(keysAge)
	}
	return c, nil
}
