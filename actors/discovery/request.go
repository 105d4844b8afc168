package discovery

import (
	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/targets"
	"federation-agent/messages"
)

// RequestExport asks whoever has an API's documents for them. The answers, one [messages.APIReady] or
// [messages.APIOmitted] for each entry, come to the asking actor.
func RequestExport(ctx actor.Context, directory *targets.Directory[*actor.PID], m messages.ExportAPI) {
	if row, configured := directory.Find(m.Entries[0].Target); configured {
		ctx.Request(row.Target, m)
		return
	}
	for _, e := range m.Entries {
		ctx.Send(ctx.Self(), messages.APIOmitted{ID: e.ID(), Why: "its account and region are not configured"})
	}
}
