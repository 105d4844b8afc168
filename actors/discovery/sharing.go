package discovery

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"slices"
	"strings"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/exports"
	"federation-agent/internal/gateway"
	"federation-agent/internal/store"
)

// One export for stages of a REST API with the same deployment. What was seen of documents decides ([exports.Sharing]).
//
// What is shared is in the cache of each stage, with the stage that it is of. That stage may have been deployed anew between
// its listing and its export. The next listing shows that: then what was shared of it is exported once more. If two documents
// were different, nothing that was shared stands any more, and a mark in the cache tells it to the next process.

// twin is another stage with the same deployment, and its document under the base path of this one.
type twin struct {
	stage  *gateway.Stage
	export store.Export
	digest [sha256.Size]byte // of the document
}

// lean is the same without the document.
func (t *twin) lean() {
	t.digest, t.export = sha256.Sum256(t.export.Document), store.Export{}
}

func (s *stage) kind() exports.Kind { return exports.KindOf(s.task.Target.Account, s.task.API) }

// of tells apart what an export takes from the REST API itself, whatever is deployed.
func (s *stage) of() string {
	api := s.task.API
	sum := sha256.Sum256([]byte(strings.Join([]string{api.Name, api.Version, api.Description}, "\x00")))
	return base64.RawStdEncoding.EncodeToString(sum[:12])
}

// mayShare says that no two documents were different, also in an earlier process.
func (s *stage) mayShare() bool {
	_, marked, _ := s.env.Exports.Get(s.mark()) // each time, so that the cache keeps it; an error is a miss
	if may := s.env.Sharing.May(s.kind()); !may || !marked {
		return may
	}
	s.env.Sharing.Different(s.kind())
	return false
}

// mark is the key of the cache's entry that says that two documents were different. No stage has it.
func (s *stage) mark() store.ExportKey {
	key := store.ExportKey{Account: s.kind().Account, Stage: "different"}
	if s.kind().Dated {
		key.Stage = "different, dated"
	}
	return key
}

// stands says that what the cache has may be sent.
func (s *stage) stands(key store.ExportKey, kept store.Export) bool {
	if kept.Shared == nil {
		return true
	}
	if !s.mayShare() {
		return false
	}
	if !kept.Shared.Sure {
		if !slices.ContainsFunc(s.task.Stages, func(other *gateway.Stage) bool {
			return other.Name == kept.Shared.Stage && other.UpdatedAt == kept.Shared.UpdatedAt
		}) {
			return false
		}
		sure := *kept.Shared
		sure.Sure = true
		kept.Shared = &sure
		s.keep(key, kept)
	}
	s.env.Sharing.Used(s.kind())
	return true
}

// twin finds a stage with the same deployment whose document is in the cache; nil if there is none.
func (s *stage) twin(ctx context.Context, room exports.Copies) (*twin, error) {
	for _, other := range s.task.Stages {
		if other.Name == s.task.Stage || other.UpdatedAt == 0 || !exports.Alike(s.task.Details, other) {
			continue
		}
		if !s.mayShare() {
			return nil, nil //nolint:nilnil // there is none
		}
		kept, hit, err := s.kept(ctx, s.keyOf(other), room)
		if err != nil {
			return nil, err
		}
		if hit && kept.Document != nil && kept.Of == s.of() {
			if document, ok := apigateway.ForStage(kept.Document, other.Name, s.task.Stage); ok {
				from := kept.Shared
				if from == nil {
					from = &store.Shared{Stage: other.Name, UpdatedAt: other.UpdatedAt}
				}
				export := store.Export{Document: document, Checked: true, Of: kept.Of, Shared: from}
				return &twin{stage: other, export: export}, nil
			}
		}
		s.task.Claim.Drop()
	}
	return nil, nil //nolint:nilnil // there is none
}

// compare notes whether the stage's own export is what would have been shared.
func (s *stage) compare(ctx context.Context, t *twin, own store.Export, room exports.Copies) {
	sharing, kind := s.env.Sharing, s.kind()
	switch {
	case own.Document != nil && sha256.Sum256(own.Document) == t.digest:
		if sharing.Equal(kind) {
			s.env.Log.Info("stages with the same deployment have the same document: from now on one export serves them",
				life.LogAccount, kind.Account, life.LogAPI, s.task.ID())
		}
	case s.differs(ctx, t.stage, own, room):
		s.keep(s.mark(), store.Export{NotExportable: "stages with the same deployment have different documents"})
		first, used := sharing.Different(kind)
		if !first {
			return
		}
		level, text := slog.LevelInfo, "stages with the same deployment have different documents: each is exported"
		if used {
			level, text = slog.LevelWarn, "stages with the same deployment have different documents: some were sent with that of "+
				"another stage, which the next ingest of them mends; from now on each is exported"
		}
		s.env.Log.Log(context.Background(), level, text,
			life.LogAccount, kind.Account, life.LogAPI, s.task.ID(), life.LogStages, []string{t.stage.Name, s.task.Stage})
	default:
		sharing.Unknown(kind)
	}
}

// differs exports the other stage, too: what was kept of it may be of before a change. It is true if the documents differ,
// and both stages are still as they were listed.
func (s *stage) differs(ctx context.Context, other *gateway.Stage, own store.Export, room exports.Copies) bool {
	document, err := s.fetch(ctx, other.Name, room)
	if err != nil {
		return false
	}
	document, ok := apigateway.ForStage(document, other.Name, s.task.Stage)
	if !ok || string(document) == string(own.Document) {
		return false
	}
	now, err := apigateway.ListStages(ctx, s.task.client, s.task.API.ID)
	if err != nil {
		return false
	}
	for _, before := range []*gateway.Stage{other, s.task.Details} {
		if !slices.ContainsFunc(now, func(n *gateway.Stage) bool {
			return n.Name == before.Name && n.UpdatedAt == before.UpdatedAt && exports.Alike(n, before)
		}) {
			return false
		}
	}
	return true
}
