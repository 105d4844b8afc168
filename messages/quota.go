package messages

import (
	"time"

	"federation-agent/internal/gateway"
)

// OpenQuota asks for the quota actor of an account and region; it answers with [QuotaOpened], and the sender of that
// answer is known from then on. Target -> agent -> quota.
type OpenQuota struct{ Account, Region string }

// QuotaOpened answers an [OpenQuota]. Quota -> target.
type QuotaOpened struct{ Account, Region string }

// AcquirePermit asks for leave to make one attempt of one call. It is answered by a [PermitGranted] or a
// [PermitRefused]. The SDK's middleware, on behalf of a worker -> quota.
type AcquirePermit struct {
	// Ticket is unique in the process. Asking again with the same one asks for the same permit.
	Ticket uint64
	gateway.PermitRequest
}

// PermitGranted lets one attempt go. Quota -> the asker.
type PermitGranted struct{ Ticket uint64 }

// PermitRefused says that there will be no permit in time. Quota -> the asker.
type PermitRefused struct {
	Ticket uint64
	// Wait is how long it would take until there is one.
	Wait time.Duration
}

// ReturnPermit tells that an attempt has ended, or that its permit is not wanted any more.
// The SDK's middleware -> quota.
type ReturnPermit struct {
	Ticket  uint64
	Outcome gateway.Outcome
}
