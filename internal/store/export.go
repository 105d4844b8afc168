package store

import (
	"crypto/sha256"
	"encoding/binary"
)

// ExportKey identifies a deployed state of a stage. Every field but the last is AWS's own id or name.
type ExportKey struct {
	Account, Region, RestAPI, Stage string
	// DeploymentID, DocumentationVersion and CanaryDeploymentID together change when the export can have changed;
	// the last two are often empty.
	DeploymentID, DocumentationVersion, CanaryDeploymentID string
	// UpdatedAt is when the stage was last changed, in Unix seconds; 0 if AWS does not say. It tells apart two states
	// that are otherwise equal, unless both are of the same second: a stage that was redeployed between its listing and
	// its export, and then rolled back, is in another state.
	UpdatedAt int64
}

// slotID names a stage in a cache: a cache keeps one document a stage.
type slotID [16]byte

func (k ExportKey) slot() slotID {
	var all []byte
	for _, part := range []string{k.Account, k.Region, k.RestAPI, k.Stage} {
		all = binary.BigEndian.AppendUint32(all, uint32(len(part)))
		all = append(all, part...)
	}
	sum := sha256.Sum256(all)
	return slotID(sum[:16])
}

// Export is what GetExport gave. An export that can never work is remembered too, or every ingest would ask again.
type Export struct {
	// Document is the OpenAPI document, nil when the stage cannot be exported.
	Document []byte
	// NotExportable is AWS's reason why this deployment can never be exported; empty when it can.
	NotExportable string
	// Checked says that the document passed its check before it was kept. What an earlier version kept did not.
	Checked bool
	// Of tells apart what GetRestApis said of the REST API when it was exported. It is empty in what an earlier version kept.
	Of string
	// Shared is nil for an export of the stage's own.
	Shared *Shared
}

// Shared says that a document is that of another stage with the same deployment, but for its base path.
type Shared struct {
	// Stage is the stage that was exported, UpdatedAt when it was last changed, as it was listed before.
	Stage     string
	UpdatedAt int64
	// Sure says that it was listed unchanged after its export: then what was exported is that deployment.
	Sure bool `json:",omitempty"`
}

// ExportCache keeps exports of unchanged deployments. Each can be fetched again from AWS for one call, so the cache may
// lose anything at any time, and is never a reason to fail: treat an error as a miss. Implementations are safe for
// concurrent use.
type ExportCache interface {
	// Get gives the export kept for exactly this key. The document is the caller's own.
	Get(ExportKey) (Export, bool, error)
	// Size is about how many bytes [ExportCache.Get] would read for the key's stage; 0 if nothing is kept.
	Size(ExportKey) int64
	// Put keeps an export in place of an earlier deployment's of the same stage. It copies the document.
	Put(ExportKey, Export) error
}
