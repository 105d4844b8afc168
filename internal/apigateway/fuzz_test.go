package apigateway

import (
	"context"
	"net/http"
	"testing"
	"time"

	"federation-agent/internal/gateway"
)

func FuzzWhateverAWSAnswersIsClassifiedAndACreateIsSentOnce(f *testing.F) {
	f.Add(200, "", "", `{"item":[{"id":"a","name":"b","endpointConfiguration":{"types":["EDGE"]}}],"position":"x"}`)
	f.Add(
		200, "", "",
		`{"item":[{"id":"p","apiStages":[{"apiId":"a","stage":"s","throttle":{"/GET":{"rateLimit":"NaN"}}}],"quota":{}}]}`,
	)
	f.Add(201, "", "", `{"id":"k","value":"v"}`)
	f.Add(429, "TooManyRequestsException", "1", `{"message":"Too Many Requests"}`)
	f.Add(409, "ConflictException", "x", `{"message":null}`)
	f.Add(404, "NotFoundException:", "", `<html>`)
	f.Add(500, "", "", ``)
	f.Fuzz(func(t *testing.T, status int, code, retryAfter, body string) {
		status = 200 + (status%400+400)%400
		w := &wire{answer: func(_ int, r *http.Request) (*http.Response, error) {
			h := http.Header{}
			if code != "" {
				h.Set("X-Amzn-Errortype", code)
			}
			h.Set("Retry-After", retryAfter)
			return response(r, status, h, body), nil
		}}
		// Shorter than any delay between attempts, so that there is only one attempt.
		ctx, cancel := context.WithTimeout(t.Context(), firstDelay/4)
		defer cancel()
		client := w.client(nil)
		apis, err := ListRESTAPIs(ctx, client)
		if err != nil && apis != nil {
			t.Errorf("list %v, error %v", apis, err)
		}
		_, planErr := ListUsagePlans(ctx, client)
		_, stageErr := ListStages(ctx, client, "a")
		_, exportErr := Export(ctx, client, "a", "s")
		for _, err := range []error{
			err, planErr, stageErr, exportErr, deleteK(ctx, client), AttachKey(ctx, client, "p", "k"),
		} {
			if (Classify(err) == gateway.OK) != (err == nil) || (Explain(err) == "") != (err == nil) {
				t.Errorf("%v is of class %v", err, Classify(err))
			}
		}
		before := len(w.requests())
		id, value, err := CreateKey(ctx, client, "n", "")
		if sent := len(w.requests()) - before; sent > 1 {
			t.Errorf("a create was sent %d times", sent)
		}
		if err == nil && (id == "" || value.IsZero()) || RetryAfter(err) > time.Minute {
			t.Errorf("key %q, error %v", id, err)
		}
	})
}
