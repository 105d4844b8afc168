// Package survey works out what an ingest would do, by what the listings of all targets have found: which APIs under
// which names and plans, what is left out and why, what is new since the last ingest, and what it costs. It is pure, but
// for the printing.
package survey

import (
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

// Found is what the listings of one integration have found.
type Found struct {
	Integration string
	Filter      federation.Filter
	// APIs are what exists. Whole are those of complete listings, from which an ingest takes its own: also stages that did
	// not exist when AWS was last asked.
	APIs, Whole []federation.NamedEntry
	Listings    []Listing
	// Domains says that custom domain names were asked for.
	Domains bool
	// Off are the targets whose region is off for the account, and that nobody has named.
	Off []federation.Target
	// Unconfirmed are the APIs that the plan-loss guard holds back.
	Unconfirmed map[federation.ID]bool
}

// Listing is what one target has. Two roles of one account see the same.
type Listing struct {
	federation.Target
	// Complete says that nothing is missing. Failure says what keeps it from that, and what to do; Cause says it in AWS's
	// own words.
	Complete       bool
	Failure, Cause string
	// StartedAt is when the listing was begun.
	StartedAt time.Time
	APIs      []*gateway.RestAPI
	Plans     []*gateway.UsagePlan
	// Asked is what GetStages told. Unlisted are the REST APIs whose stages AWS does not list, with the reason.
	Asked    federation.Stages
	Unlisted map[string]string
	// DomainCalls is what custom domain names cost, DomainGap why AWS does not list all of them.
	DomainCalls int
	DomainGap   string
}
