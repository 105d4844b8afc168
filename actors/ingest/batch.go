package ingest

import (
	"time"

	"federation-agent/internal/exports"
)

// batch is the content of one INGEST.
type batch struct {
	number int  // 0 unless it is on its way
	noted  bool // what must be written down before it leaves is
	apis   []exports.Ready
	done   bool
	sentAt time.Time
}
