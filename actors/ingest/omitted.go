package ingest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/status"
	"federation-agent/internal/words"
)

const (
	// shownOmitted is how many APIs that were left out the status names, and the log for each reason.
	shownOmitted = 5
	// loggedReasons is how many reasons have a line of their own.
	loggedReasons = 10
)

// omitted is the APIs that a job leaves out though AWS has them.
type omitted struct {
	count    int
	examples []string // with their reasons
	// reasons are those for the log, also of APIs that are deleted in AWS.
	reasons map[string]*reason
}

// reason is why some APIs are left out.
type reason struct {
	why      string // as it was said of the first
	level    slog.Level
	count    int
	examples []federation.ID
}

// omit leaves an API out that AWS has.
func (i *ingest) omit(id federation.ID, why string, level slog.Level) {
	i.omitted.count++
	if len(i.omitted.examples) < shownOmitted {
		i.omitted.examples = append(i.omitted.examples, fmt.Sprintf("%s: %s", id, why))
	}
	i.noteOmitted(id, why, level)
}

// noteOmitted keeps for the log why an API is left out. What tells one API's reason from another's is only its name.
func (i *ingest) noteOmitted(id federation.ID, why string, level slog.Level) {
	i.env.Log.Debug("an API is left out; what APIM has of it stays",
		life.LogJob, i.job(), life.LogAPI, id, life.LogReason, why)
	if i.omitted.reasons == nil {
		i.omitted.reasons = map[string]*reason{}
	}
	alike := strings.NewReplacer(id.RestAPI, "…", id.Account, "…", id.Region, "…").Replace(why)
	r := i.omitted.reasons[alike]
	if r == nil {
		r = &reason{why: why, level: level}
		i.omitted.reasons[alike] = r
	}
	if r.count++; r.count <= shownOmitted {
		r.examples = append(r.examples, id)
	}
}

// report puts the job's end on the board, and what it left out into the log: a line for each reason.
func (i *ingest) report(failure string) {
	most := slices.SortedFunc(maps.Values(i.omitted.reasons), func(a, b *reason) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.why, b.why))
	})
	for n, r := range most {
		if n == loggedReasons {
			i.env.Log.Error("APIs are left out of this ingest for further reasons; what APIM has of them stays",
				life.LogJob, i.job(), life.LogReasons, len(most)-n)
			break
		}
		i.env.Log.Log(context.Background(), r.level, "APIs are left out of this ingest; what APIM has of them stays",
			life.LogJob, i.job(), life.LogAPIs, r.count, life.LogReason, r.why,
			life.LogExamples, words.Few(r.examples, shownOmitted, ", "))
	}
	i.env.Board.IngestEnded(i.all.Integration, status.Ingest{
		Job: i.job(), At: i.env.Now(), Sent: i.sent, Omitted: i.omitted.count, LeftOut: i.omitted.examples,
		Failure: failure,
	})
}
