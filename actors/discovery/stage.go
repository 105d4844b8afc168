package discovery

import (
	"context"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/exchange"
	"federation-agent/internal/exports"
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
}

// StageProps makes the worker of one stage; maxBytes is how large the encoded API may be.
func StageProps(env *life.Env, task StageTask, maxBytes int) *actor.Props {
	return life.Props(env, life.Worker, func() actor.Actor {
		return &stage{env: env, task: task, maxBytes: maxBytes}
	})
}

func (s *stage) Receive(ctx actor.Context) {
	if _, started := ctx.Message().(*actor.Started); !started {
		life.Unexpected(s.env, ctx)
		return
	}
	answer, held := s.prepare()
	if s.task.ctx.Err() == nil { // else the discoverer has ended, and the caller ends or restarts with it
		if held == nil {
			ctx.Request(s.task.Asker, answer)
		}
		ctx.Request(ctx.Parent(), stageDone{err: held})
	}
	ctx.Stop(ctx.Self())
}

// prepare gives a [messages.APIReady] or a [messages.APIOmitted]. If AWS is out of reach, and there is time to wait for
// it, it gives the error instead.
func (s *stage) prepare() (answer any, held error) {
	defer s.task.Claim.Drop() // unless it keeps a document
	ctx := apigateway.WithPriority(s.task.ctx, s.task.Priority)
	if by := s.task.By; !by.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, by)
		defer cancel()
	}
	entry := s.task.NamedEntry
	exported, err := s.export(ctx)
	bytes, tooLong := apigateway.TooLong(err)
	if err != nil && !tooLong {
		if isOfMany(err) && ctx.Err() == nil {
			return nil, err
		}
		return messages.APIOmitted{ID: entry.ID(), Omission: apigateway.OmissionOf(err), Unwanted: isNotFound(err)}, nil
	}
	input := federation.Input{
		Target: entry.Target, Entry: entry.Entry, Name: entry.Name,
		Document: exported.Document,
	}
	if exported.NotExportable != "" {
		input.Missing = federation.NeverExportable
	}
	var encoded []byte // from here on it is bytes
	if !tooLong {
		encoded, bytes = exchange.AppendAPI(nil, federation.Build(input)), int64(len(exported.Document))
	}
	maxBytes := s.maxBytes
	if limit := s.task.MaxBytes; limit > 0 {
		maxBytes = min(maxBytes, limit)
	}
	if tooLong || len(encoded) > maxBytes {
		s.env.Often.Warn("a document does not fit into one message; its API goes out without it",
			life.LogAPI, entry.ID(), life.LogBytes, bytes)
		input.Missing = federation.TooLarge
		encoded = exchange.AppendAPI(nil, federation.Build(input))
	}
	if input.Missing != federation.NotMissing {
		s.env.Log.Debug("an API goes out without its document", life.LogAPI, entry.ID(), life.LogBytes, bytes)
	}
	s.task.Claim.Keep(len(encoded))
	ready := exports.API{ID: entry.ID(), JSON: encoded, Bare: input.Missing != federation.NotMissing}
	for _, plan := range entry.Plans {
		ready.PlanIDs = append(ready.PlanIDs, plan.ID)
	}
	return messages.APIReady{API: ready}, nil
}

// export is the stage's document, kept, shared or fetched.
func (s *stage) export(ctx context.Context) (store.Export, error) {
	entry := s.task.NamedEntry
	key := s.keyOf(entry.Details)
	room := exports.Copies{Claim: s.task.Claim, Servers: federation.RewritesServers(entry.ID(), entry.Entry)}
	kept, hit, err := s.kept(ctx, key, room)
	if err != nil {
		return store.Export{}, err
	}
	if hit && s.stands(key, kept) {
		return kept, nil
	}
	s.task.Claim.Drop() // what is kept is of another deployment, or no document; the call may be long in coming
	twin, err := s.twin(ctx, room)
	if err != nil {
		return store.Export{}, err
	}
	if twin != nil {
		if !s.env.Sharing.Compare(s.kind(), s.env.Jitter()) {
			s.keep(key, twin.export)
			return twin.export, nil
		}
		twin.lean()
		s.task.Claim.Drop()
	}
	document, err := s.fetch(ctx, s.task.Stage, room)
	export := store.Export{Document: document, Checked: document != nil, Of: s.of()}
	switch {
	case err != nil && apigateway.Classify(err) == gateway.NotExportable:
		life.LogFailure(s.env.Often, err, "a stage can never be exported as it is; its API goes out without a document: "+
			apigateway.Explain(err), life.LogAPI, entry.ID())
		export.NotExportable = apigateway.Explain(err)
	case err != nil && twin != nil:
		s.env.Sharing.Unknown(s.kind())
		return store.Export{}, err
	case err != nil:
		return store.Export{}, err
	}
	if twin != nil {
		s.compare(ctx, twin, export, room)
	}
	s.keep(key, export)
	return export, nil
}

// keyOf is the key of a stage of the same REST API; nil is this stage, if nothing is known of its deployment.
func (s *stage) keyOf(d *gateway.Stage) store.ExportKey {
	of := s.task.Target
	key := store.ExportKey{Account: of.Account, Region: of.Region, RestAPI: s.task.API.ID, Stage: s.task.Stage}
	if d != nil {
		key.Stage, key.DeploymentID, key.UpdatedAt = d.Name, d.DeploymentID, d.UpdatedAt
		key.DocumentationVersion, key.CanaryDeploymentID = d.DocumentationVersion, d.CanaryDeploymentID
	}
	return key
}

// kept is what the cache has, which takes room.
func (s *stage) kept(ctx context.Context, key store.ExportKey, room exports.Copies) (store.Export, bool, error) {
	if bytes := s.env.Exports.Size(key); bytes > 0 {
		if err := room.Take(ctx, bytes); err != nil {
			return store.Export{}, false, err
		}
	}
	kept, hit, err := s.env.Exports.Get(key)
	if err != nil {
		s.env.Log.Debug("cannot read the export cache", life.LogAPI, s.task.ID(), life.LogError, err)
	}
	hit = hit && (kept.Checked || kept.Document == nil || apigateway.CheckDocument(kept.Document) == nil)
	return kept, hit, nil
}

func (s *stage) keep(key store.ExportKey, export store.Export) {
	if err := s.env.Exports.Put(key, export); err != nil {
		s.env.Log.Debug("cannot write the export cache", life.LogAPI, s.task.ID(), life.LogError, err)
	}
}

// fetch asks AWS for a stage's document, and again for one that there was no room for in time, once there is. One that is too
// long for a message is not read: encoded it is longer still.
func (s *stage) fetch(ctx context.Context, stage string, room exports.Copies) ([]byte, error) {
	ctx = apigateway.WithMost(ctx, s.maxBytes)
	for {
		document, err := apigateway.Export(apigateway.WithRoom(ctx, room), s.task.client, s.task.API.ID, stage)
		bytes, full := apigateway.NoRoom(err)
		if !full {
			return document, err
		}
		if err := room.Take(ctx, bytes); err != nil {
			return nil, err
		}
	}
}
