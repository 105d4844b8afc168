package ingest

import (
	"maps"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/federation"
	"federation-agent/messages"
)

// newest is what several jobs of one integration have sent of each API. What APIM hears last counts, so an API must not
// be sent from an older listing than before: a plan that only the newer one has would be deleted in APIM, with its
// subscriptions. Empty while a single job runs.
type newest map[federation.ID]shown

// shown is an API as a listing has shown it.
type shown struct {
	listed time.Time // when that listing was begun
	plans  []string
}

// outgoing is a batch on its way through jobs, which all batches of an integration pass in the order in which the
// session sends them. Ingest job -> jobs.
type outgoing struct {
	session *actor.PID
	send    messages.SendIngest
	apis    newest
}

// overtaken tells a job which APIs of its batch another job has sent from newer listings, and how. Nothing of the batch
// has left. Jobs -> ingest job.
type overtaken struct {
	batch int
	apis  newest
}

// older gives those of some APIs that were sent from a newer listing already, as they were sent.
func (n newest) older(apis newest) newest {
	old := newest{}
	for id, api := range apis {
		if sent, known := n[id]; known && sent.listed.After(api.listed) {
			old[id] = sent
		}
	}
	return old
}

// onOutgoing passes a batch on, or gives it back if it is overtaken.
func (j *jobs) onOutgoing(ctx actor.Context, m outgoing) {
	if old := j.newest.older(m.apis); len(old) > 0 {
		ctx.Respond(overtaken{batch: m.send.Batch, apis: old})
		return
	}
	if len(j.running) > 1 {
		maps.Copy(j.newest, m.apis)
	}
	ctx.RequestWithCustomSender(m.session, m.send, ctx.Sender())
}
