package messages

import (
	"time"

	"federation-agent/internal/exports"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
)

// GatherAPIs asks for the APIs of all targets: preview, fetch, ingest, reconciler -> catalogue.
type GatherAPIs struct {
	// Only are the ids of the APIs that matter, as APIM names them; empty means all. Targets that have none of
	// them are not asked, and what is listed costs no more calls than these need.
	Only []string
	// MaxAge is how old a listing may be to be used again; 0 asks AWS again.
	MaxAge time.Duration
	// Again has the REST APIs and usage plans listed again, however young a listing is: MaxAge is then for what costs a
	// call an API, the stages outside usage plans.
	Again bool
	// Kept asks for what was listed last, and nobody asks AWS.
	Kept bool
	// By is when the answer must be there, complete or not; zero waits until every target is complete or failed.
	By       time.Time
	Priority gateway.Priority
	// Domains has the base URLs of custom domain names known first, where they are configured.
	Domains bool
}

// GatheredAPIs is what the targets have, named. Catalogue -> the asker.
type GatheredAPIs struct {
	// APIs are what exists, for people.
	APIs []federation.NamedEntry
	// Whole are the APIs of targets with a complete listing: the others may lack plans. Stages that did not exist when
	// AWS was last asked are among them: their export asks again.
	Whole    []federation.NamedEntry
	Listings []TargetListing
	// Complete says that every target's listing is complete.
	Complete bool
	// Failures say why targets could not be listed, each with its target's name.
	Failures []string
	// Off are the targets whose region is off for the account. They are no part of Listings.
	Off []federation.Target
}

// JudgeLosses asks which APIs of a catalogue would take plans away. Ingest job, reconciler -> claims.
type JudgeLosses struct {
	Catalogue GatheredAPIs
	// Kept says that the catalogue may be older than what was judged already: nothing follows from it.
	Kept bool
	// By is when it must be answered, though the journal cannot be read yet; the zero time where nobody waits for it.
	By time.Time
}

// LossesJudged answers a [JudgeLosses]. Claims -> the asker.
type LossesJudged struct {
	Catalogue GatheredAPIs
	// Unconfirmed are the APIs that must not be sent.
	Unconfirmed map[federation.ID]bool
	// Plans are those with which each API was last sent, and Taken is how APIM took it, by API id: when it was judged.
	Plans map[string][]string
	Taken map[string]string
	// At is the journal's [store.Sent.At] then.
	At int64
	// Unread says why the journal could not be read: nothing was judged, and nothing may be sent.
	Unread error
}

// PlansSent tells that an ingest job has ended, and has sent what it could. Ingest job -> claims.
type PlansSent struct{}

// ListTarget asks a target for its listing: catalogue, saga -> target -> discoverer.
//
// It is answered once, by By at the latest, with what is known then.
type ListTarget struct {
	// Request is the asker's number of the question.
	Request uint64
	// MaxAge, Again and Kept are as in [GatherAPIs].
	MaxAge   time.Duration
	Again    bool
	Kept     bool
	By       time.Time
	Priority gateway.Priority
	// Only are the APIs that matter; empty means all.
	Only []federation.ID
	// Domains is as in [GatherAPIs].
	Domains bool
}

// TargetListing is a target's listing, or what there is of it. Discoverer, target -> catalogue, saga.
type TargetListing struct {
	Request uint64
	Target  federation.Target
	// Entries are those known so far: all of them if Complete.
	Entries []federation.Entry
	// Estimate is how many entries there will probably be.
	Estimate int
	// Complete says that the lists of REST APIs and of usage plans were read to the end, so that the entries'
	// plans are complete, and that no entry is missing, of those that were asked for.
	Complete bool
	// Narrow says that only some APIs were asked for: other entries may be missing.
	Narrow bool
	// APIs and Plans are all REST APIs and all usage plans, if Complete: what the entries' filter leaves out too.
	APIs  []*gateway.RestAPI
	Plans []*gateway.UsagePlan
	// Asked is what GetStages told, if Complete and not Narrow: what the filter leaves out too.
	Asked federation.Stages
	// Failure says why it is not complete, for people; empty if it is complete or still going on. Cause is what failed,
	// in AWS's own words.
	Failure, Cause string
	// Away says that the failure may pass by itself: AWS is out of reach. Refused says that it does not, and that another
	// role of the account may be answered.
	Away, Refused bool
	// Off says that there is nothing to list, and nothing amiss: nobody has named the region, and it is off for the
	// account.
	Off bool
	// Unlisted are REST APIs whose stages AWS does not list, each with the reason: what APIM has of them stays.
	Unlisted map[string]gateway.Omission
	// StartedAt is when the listing of the usage plans was begun.
	StartedAt time.Time
	// DomainsPending says that the entries do not have all base URLs yet: AWS is still asked for custom domain names.
	DomainsPending bool
	// DomainCalls is how many calls the custom domain names cost when AWS was last asked, DomainGap why it did not list all.
	DomainCalls int
	DomainGap   string
}

// ExportAPI asks for the documents of some stages of one REST API, mapped and encoded. Every stage is
// answered by one [APIReady] or one [APIOmitted]. Ingest, fetch, reconciler -> catalogue -> target -> discoverer.
type ExportAPI struct{ exports.Order }

// APIReady is one API that was asked for. What it holds of the memory bound is the receiver's to give back.
// Stage -> ingest, fetch, reconciler.
type APIReady struct{ exports.API }

// APIOmitted says that an API is not sent this time, so that what APIM has of it stays.
// Stage, or an actor on the way to it that cannot pass the order on -> ingest, fetch, reconciler.
type APIOmitted struct {
	ID federation.ID
	gateway.Omission
	// Unwanted says that leaving it out is no failure: AWS does not have the stage any more, a filter refuses it, or
	// its region is off.
	Unwanted bool
	// OfTarget says that the reason is the target's, see [gateway.Class.OfTarget].
	OfTarget bool
}

// LocateAPI asks which target has a REST API that is known by its bare id only: router -> catalogue.
type LocateAPI struct{ RestAPI string }

// APILocated answers a [LocateAPI]. Catalogue -> router.
type APILocated struct {
	RestAPI string
	// Target is where it is, if Failure is empty.
	Target  federation.Target
	Failure string
}
