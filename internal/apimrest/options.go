// Package apimrest asks Gravitee APIM's management API, version 2: whether an integration has a job, which APIs it has
// and how they are, and it starts ingests and takes APIs away. Everything that it knows of the API is in
// management/openapi.yaml; the package below is generated from that, and this one makes it safe to use: bounded answers
// and times, whole lists, errors that name the setting to change.
//
// Requests are dear for APIM: for each one it compares the token with all tokens of the installation. So nothing here
// asks twice without need, and who polls does so seldom.
package apimrest

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"federation-agent/internal/secret"
)

// Options say which management API is asked, and as whom.
type Options struct {
	// URL is the API's address, without a slash at its end and without /v2.
	URL string
	// Environment is the id of the environment of all integrations and APIs that are asked for.
	Environment string
	// Token is a personal access token. After an answer that it is not known, a live one is read again.
	Token secret.String
	// Timeout bounds a request that APIM answers by itself.
	Timeout time.Duration
	// TLS gives the settings of one connection; nil for Go's own.
	TLS func() *tls.Config
	// Dial opens a connection, such as through a proxy; nil for a plain one.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	// ingestWithin is more than the minute for which APIM waits for the agent's answer to START_INGEST.
	ingestWithin = 70 * time.Second
	// deleteWithin is for an API with active subscriptions: APIM has the agent end one after the other, and waits for each
	// up to a minute.
	deleteWithin = 5 * time.Minute
	// perPage has the APIs of most integrations in one request. APIM has no maximum (read in 4.5 to 4.12).
	perPage = 500
	// maxEntries bounds a list, whatever the other side says of its length. AWS allows 600 REST APIs in a region.
	maxEntries = 50_000
	// maxPages bounds it where the other side gives fewer entries than it was asked for.
	maxPages = 1000
	// maxAnswer bounds one answer in bytes: 500 entries of some kilobytes.
	maxAnswer = 4 << 20
	// maxHeader bounds an answer's header in bytes.
	maxHeader = 64 << 10
	// idleFor keeps a connection between the requests of one task, and none between tasks.
	idleFor = 5 * time.Second
)
