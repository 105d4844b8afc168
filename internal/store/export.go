package store

// ExportKey says of which deployed state of a stage a document is. Every field is AWS's own id or name.
type ExportKey struct {
	Account, Region, RestAPI, Stage string
	// DeploymentID, DocumentationVersion and CanaryDeploymentID together change when the export can have changed;
	// the last two are often empty.
	DeploymentID, DocumentationVersion, CanaryDeploymentID string
}

// slot is the stage that a key belongs to: the cache keeps one document a stage.
func (k ExportKey) slot() [4]string { return [4]string{k.Account, k.Region, k.RestAPI, k.Stage} }

// Export is what GetExport gave. An export that can never work is remembered too, or every ingest would ask again.
type Export struct {
	// Document is the OpenAPI document, nil when the stage cannot be exported.
	Document []byte
	// NotExportable is AWS's reason why this deployment can never be exported; empty when it can.
	NotExportable string
}

// ExportCache keeps exports of unchanged deployments. Everything in it can be had again from AWS for one call each,
// so it may lose anything at any time, and it is never a reason to fail: after an error go on as after a miss.
// Implementations are safe for concurrent use.
type ExportCache interface {
	// Get gives the export kept for exactly this key. The document is the caller's own.
	Get(ExportKey) (Export, bool, error)
	// Put keeps an export and lets go of what was kept for an earlier deployment of the same stage. The document
	// is not kept by reference.
	Put(ExportKey, Export) error
}

// None is the ExportCache that keeps nothing.
type None struct{}

// Get implements [ExportCache].
func (None) Get(ExportKey) (Export, bool, error) { return Export{}, false, nil }

// Put implements [ExportCache].
func (None) Put(ExportKey, Export) error { return nil }
