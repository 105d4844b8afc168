// Package secretsmanager reads secrets of AWS Secrets Manager. It needs secretsmanager:GetSecretValue on them, and
// kms:Decrypt where their key is the customer's own.
package secretsmanager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"federation-agent/internal/apigateway"
	"federation-agent/internal/secret"
	"federation-agent/internal/words"
)

// Options say which Secrets Manager is asked, and as whom.
type Options struct {
	Region string
	// AccessKeyID and SecretAccessKey are static keys. Without them the SDK's default chain is used.
	AccessKeyID, SecretAccessKey secret.String
	// Endpoint is asked instead of AWS's own; empty for that one.
	Endpoint string
	FIPS     bool
	// Timeout bounds one read, the SDK's retries included.
	Timeout time.Duration
}

// Client reads from one region.
type Client struct {
	options Options
	mu      sync.Mutex
	client  *sdk.Client // nil before the first read
}

// New makes a client. It calls nobody yet.
func New(o Options) *Client { return &Client{options: o} }

// Read gives the values of a secret that is a JSON object by key, or any other text under the empty key.
func (c *Client) Read(ctx context.Context, r secret.Reference) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	client, err := c.connect(ctx)
	if err != nil {
		return nil, errors.New(apigateway.Explain(err))
	}
	answer, err := client.GetSecretValue(ctx, &sdk.GetSecretValueInput{SecretId: aws.String(r.Path)})
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("AWS Secrets Manager in %s did not answer within %s", c.options.Region, c.options.Timeout)
	case err != nil:
		return nil, c.explained(err)
	case answer.SecretString == nil:
		return nil, errors.New("AWS Secrets Manager holds bytes there; only a text or a JSON object can be read")
	}
	return texts(*answer.SecretString), nil
}

func (c *Client) connect(ctx context.Context) (*sdk.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		return c.client, nil
	}
	credentials, err := apigateway.NewCredentials(ctx, apigateway.CredentialsOptions{
		AccessKeyID: c.options.AccessKeyID, SecretAccessKey: c.options.SecretAccessKey, Regions: []string{c.options.Region},
	})
	if err != nil {
		return nil, err
	}
	c.client = sdk.NewFromConfig(credentials.Config(c.options.Region, ""), func(o *sdk.Options) {
		if c.options.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.options.Endpoint)
		}
		if c.options.FIPS {
			o.EndpointOptions.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
		}
	})
	return c.client, nil
}

// explained says what AWS answered, or why there was no answer.
func (c *Client) explained(err error) error {
	if apigateway.IsUnsigned(err) {
		return errors.New(apigateway.Explain(err))
	}
	if said, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Errorf("AWS Secrets Manager answers %s: %q", said.ErrorCode(), words.Short(said.ErrorMessage()))
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	return fmt.Errorf("AWS Secrets Manager in %s cannot be reached: %w", c.options.Region, err)
}

// texts takes a JSON object apart, as the console makes one of rows of keys and values. What is no text in it is taken
// as it is written.
func texts(whole string) map[string]string {
	var values map[string]json.RawMessage
	if json.Unmarshal([]byte(whole), &values) != nil || values == nil {
		return map[string]string{"": whole}
	}
	found := map[string]string{}
	for key, raw := range values {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		found[key] = text
	}
	return found
}
