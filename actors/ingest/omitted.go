package ingest

import (
	"fmt"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/status"
)

// shownOmitted is how many APIs that were left out the status names. The log names each of the first loggedOmitted, and
// the number of all.
const (
	shownOmitted  = 5
	loggedOmitted = 100
)

// omitted is the APIs that a job leaves out though AWS has them.
type omitted struct {
	count    int
	examples []string // with their reasons
	logged   int      // also those that are deleted in AWS
}

// omit leaves an API out that AWS has.
func (i *ingest) omit(id federation.ID, why string) {
	i.omitted.count++
	if len(i.omitted.examples) < shownOmitted {
		i.omitted.examples = append(i.omitted.examples, fmt.Sprintf("%s: %s", id, why))
	}
	i.logOmitted(id, why)
}

func (i *ingest) logOmitted(id federation.ID, why string) {
	i.omitted.logged++
	if i.omitted.logged <= loggedOmitted {
		i.env.Log.Warn("an API is left out of this ingest; what APIM has of it stays",
			life.LogJob, i.job(), life.LogAPI, id, life.LogReason, why)
	}
}

// report puts the job's end on the board.
func (i *ingest) report(failure string) {
	i.env.Board.IngestEnded(i.all.Integration, status.Ingest{
		Job: i.job(), At: i.env.Now(), Sent: i.sent, Omitted: i.omitted.count, LeftOut: i.omitted.examples,
		Failure: failure,
	})
}
