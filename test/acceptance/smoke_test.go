package acceptance

import (
	"context"
	"testing"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/world"
)

func TestTheMainJobFromEndToEnd(t *testing.T) {
	world.Run(t, world.Options{}, func(t *testing.T, w *world.World) {
		agent := w.Connected()
		preview, err := w.APIM.Preview(context.Background(), world.Integration)
		if err != nil {
			t.Fatal(err, w.Log)
		}
		if len(preview.APIs) != 8 || preview.Partial {
			t.Fatalf("preview: %+v\n%s", preview, w.Log)
		}
		job := w.Ingest()
		if job.Status != apimsim.JobSuccess {
			t.Fatalf("job: %+v\n%s", job, w.Log)
		}
		apis := w.APIM.APIs()
		if len(apis) != 8 {
			t.Fatalf("%d APIs\n%s", len(apis), w.Log)
		}
		sub, err := w.APIM.Subscribe(context.Background(), apis[0].ID, apis[0].Plans[0].ID, "Shop", "")
		if err != nil || sub.Status != apimsim.SubscriptionAccepted {
			t.Fatalf("subscribe: %+v %v\n%s", sub, err, w.Log)
		}
		if err := w.APIM.Unsubscribe(context.Background(), sub.ID); err != nil {
			t.Fatalf("unsubscribe: %v\n%s", err, w.Log)
		}
		t.Log(agent.Drain())
		t.Log(w.Log)
	})
}
