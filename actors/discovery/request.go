package discovery

import (
	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/internal/exports"
	"federation-agent/internal/gateway"
	"federation-agent/internal/targets"
	"federation-agent/messages"
)

// RequestExport gives an order to the target that has its documents. The answers, one [messages.APIReady] or
// [messages.APIOmitted] for each document, come to the asking actor.
func RequestExport(ctx actor.Context, directory *targets.Directory[*actor.PID], order exports.Order) {
	if row, configured := directory.Find(order.Target()); configured {
		ctx.Request(row.Target, messages.ExportAPI{Order: order})
		return
	}
	for _, d := range order.Documents {
		ctx.Send(ctx.Self(), messages.APIOmitted{ID: d.ID(), Omission: gateway.Omission{
			Reason: gateway.NotConfigured, Why: "its account and region are not configured",
		}})
	}
}
