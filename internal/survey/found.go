// Package survey works out what an ingest would do, by what the listings of all targets have found: which APIs under
// which names and plans, what is left out and why, what is new since the last ingest, and what it costs. It is pure, but
// for the printing.
package survey

import (
	"slices"

	"federation-agent/config"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/words"
)

// Found is what the listings of one integration have found.
type Found struct {
	Integration string
	Filter      federation.Filter
	// APIs are what exists. Whole are those of complete listings, from which an ingest takes its own: also stages that did
	// not exist when AWS was last asked.
	APIs, Whole []federation.NamedEntry
	Listings    []Listing
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
	APIs           []*gateway.RestAPI
	Plans          []*gateway.UsagePlan
	// Asked is what GetStages told. Unlisted are the REST APIs whose stages AWS does not list, with the reason.
	Asked    federation.Stages
	Unlisted map[string]string
}

// Unused is what a stage filter names in vain.
type Unused struct {
	Names []string `json:"names"`
	// Meant are those of the known stages that are spelt like them, Known all of these.
	Meant []string `json:"didYouMean,omitempty"`
	Known []string `json:"known"`
}

// String is as in "Prod; did you mean prod? There are: dev, prod". It is empty if nothing is named in vain.
func (u Unused) String() string {
	if len(u.Names) == 0 {
		return ""
	}
	text := words.Few(u.Names, words.Many, ", ")
	if len(u.Meant) > 0 {
		text += "; did you mean " + words.Few(u.Meant, words.Many, ", ") + "?"
	} else {
		text += "."
	}
	return text + " There are: " + words.Few(u.Known, words.Many, ", ")
}

// UnusedStages are the stages of a filter that no API has. stages are all that there are.
func UnusedStages(filter []string, apis []federation.NamedEntry, stages []string) Unused {
	u := Unused{Known: slices.Compact(slices.Sorted(slices.Values(stages)))}
	for _, stage := range filter {
		if slices.ContainsFunc(apis, func(e federation.NamedEntry) bool { return e.Stage == stage }) {
			continue
		}
		u.Names = append(u.Names, stage)
		if like := config.Meant(stage, u.Known); like != "" {
			u.Meant = append(u.Meant, like)
		}
	}
	return u
}
