package ingest

import (
	"context"
	"log/slog"
	"time"

	"federation-agent/actors/life"
	"federation-agent/internal/federation"
	"federation-agent/internal/gateway"
	"federation-agent/internal/status"
	"federation-agent/internal/words"
)

// loggedReasons is how many reasons have a line of their own.
const loggedReasons = 10

// omit leaves an API out that AWS has.
func (i *ingest) omit(id federation.ID, why gateway.Omission, level slog.Level) {
	i.sayOmitted(id, why.Why)
	i.omitted.Add(id, why, level)
}

func (i *ingest) sayOmitted(id federation.ID, why string) {
	i.env.Log.Debug("an API is left out; what APIM has of it stays",
		life.LogJob, i.job(), life.LogAPI, id, life.LogReason, why)
}

// report puts the job's end on the board, and what it left out into the log: a line for each reason.
func (i *ingest) report(failure string) {
	most := i.omitted.Reasons()
	for n, r := range most {
		if n == loggedReasons {
			i.env.Log.Error("APIs are left out of this ingest for further reasons; what APIM has of them stays",
				life.LogJob, i.job(), life.LogReasons, len(most)-n)
			break
		}
		i.env.Log.Log(context.Background(), r.Level, "APIs are left out of this ingest; what APIM has of them stays",
			life.LogJob, i.job(), life.LogAPIs, r.Count, life.LogReason, r.Why,
			life.LogExamples, words.Few(r.Examples, len(r.Examples), ", "))
	}
	i.env.Board.IngestEnded(i.all.Integration, status.Ingest{
		Job: i.job(), Started: i.began(), At: i.env.Now(), Sent: i.sent, Unchanged: i.compare.unchanged, WithoutDocument: i.bare,
		Omitted: i.omitted.Count, OmittedBy: i.omitted.By, LeftOut: i.omitted.Examples, Failure: failure,
	})
}

// began is when the job began, by the wall clock: also before a restart of the agent.
func (i *ingest) began() time.Time {
	if i.spec.Resumed != nil {
		return i.spec.Resumed.StartedAt
	}
	return i.env.Now().Add(-time.Since(i.startedAt))
}

// show puts the job's progress on the board. Its documents are what takes long.
func (i *ingest) show() {
	i.env.Board.Ingesting(i.all.Integration, i.job(), status.Progress{
		Started: i.began(), Total: i.planned, Done: i.done, Omitted: i.omitted.Count, Sent: i.sent,
	})
}
