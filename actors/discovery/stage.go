package discovery

import (
	"context"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/exchange"
	"federation-agent/internal/exports"
	"federation-agent/internal/federated"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/store"
	"federation-agent/messages"
)

// stage makes one (REST API, stage) ready to be sent: one look into the export cache, else one permit and
// one GetExport, one answer, gone. It blocks while it works, as a leaf may. Parent: discoverer.
type stage struct {
	env  *life.Env
	task StageTask
	// maxBytes is how large the encoded API may be to fit into one INGEST.
	maxBytes int
	// claim is what its document takes of the integration's room, until it is answered.
	claim *exports.Claim
}

// stageDone is a stage worker's one answer to its discoverer.
type stageDone struct {
	// answer is a [messages.APIReady] or a [messages.APIOmitted].
	answer any
}

func StageProps(env *life.Env, task StageTask, maxBytes int, room *exports.Room) *actor.Props {
	return life.Props(env, life.Worker, func() actor.Actor {
		return &stage{env: env, task: task, maxBytes: maxBytes, claim: room.Claim()}
	})
}

func (s *stage) Receive(ctx actor.Context) {
	if _, started := ctx.Message().(*actor.Started); !started {
		life.Unexpected(s.env, ctx)
		return
	}
	defer s.claim.Drop()
	answer := s.prepare()
	if s.task.ctx.Err() == nil { // else it is the discoverer that has ended, and its exports are asked for again
		ctx.Request(ctx.Parent(), stageDone{answer: answer})
	}
	ctx.Stop(ctx.Self())
}

func (s *stage) prepare() any {
	ctx := apigateway.WithPriority(s.task.ctx, s.task.export.Priority)
	if by := s.task.export.By; !by.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, by)
		defer cancel()
	}
	entry := s.task.entry
	exported, err := s.export(ctx)
	if err != nil {
		return messages.APIOmitted{ID: entry.ID(), Why: apigateway.Explain(err), Gone: isNotFound(err)}
	}
	input := federation.Input{
		Target: entry.Target, Entry: entry.Entry, Name: entry.Name,
		Document: exported.Document,
	}
	if exported.NotExportable != "" {
		input.Missing = federation.NeverExportable
	}
	encoded := encode(federation.Build(input))
	if len(encoded) > s.maxBytes {
		s.env.Log.Warn("a document does not fit into one message; its API goes out without it",
			life.LogAPI, entry.ID(), life.LogBytes, len(exported.Document))
		input.Missing = federation.TooLarge
		encoded = encode(federation.Build(input))
	}
	ready := messages.APIReady{ID: entry.ID(), JSON: encoded, Bare: input.Missing != federation.NotMissing}
	for _, plan := range entry.Plans {
		ready.PlanIDs = append(ready.PlanIDs, plan.ID)
	}
	return ready
}

// export is the stage's document, kept or fetched.
func (s *stage) export(ctx context.Context) (store.Export, error) {
	entry := s.task.entry
	key := store.ExportKey{Account: entry.Target.Account, Region: entry.Target.Region, RestAPI: entry.API.ID, Stage: entry.Stage}
	if d := entry.Details; d != nil {
		key.DeploymentID, key.DocumentationVersion, key.CanaryDeploymentID = d.DeploymentID, d.DocumentationVersion, d.CanaryDeploymentID
		key.UpdatedAt = d.UpdatedAt
	}
	if bytes := s.env.Exports.Size(key); bytes > 0 {
		if err := s.claim.Take(ctx, bytes); err != nil {
			return store.Export{}, err
		}
	}
	kept, hit, err := s.env.Exports.Get(key)
	if err != nil {
		s.env.Log.Debug("cannot read the export cache", life.LogAPI, entry.ID(), life.LogError, err)
	}
	if hit {
		return kept, nil
	}
	document, err := apigateway.Export(apigateway.WithRoom(ctx, s.claim), s.task.client, entry.API.ID, entry.Stage)
	export := store.Export{Document: document}
	switch {
	case err != nil && apigateway.Classify(err) == gateway.NotExportable:
		s.env.Log.Warn("a stage can never be exported as it is; its API goes out without a document: "+apigateway.Explain(err),
			life.LogAPI, entry.ID(), life.LogError, err)
		export.NotExportable = apigateway.Explain(err)
	case err != nil:
		return store.Export{}, err
	}
	if err := s.env.Exports.Put(key, export); err != nil {
		s.env.Log.Debug("cannot write the export cache", life.LogAPI, entry.ID(), life.LogError, err)
	}
	return export, nil
}

// encode turns the model into what goes on the wire, once: from here on it is bytes.
func encode(api federated.API) []byte { return exchange.AppendAPI(nil, api) }
