package demo

import (
	"context"
	"io"
	"net/http"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/sandbox/awssim"
)

const (
	// callWithin bounds one call of an API.
	callWithin = 10 * time.Second
	// maxAnswer bounds what is kept of its answer, in bytes.
	maxAnswer = 4 << 10
)

// call calls a stage over HTTP, where the stand-in for AWS serves it, with a key or none.
func (s *Sandbox) call(ctx context.Context, apiID, key string) (apimsim.Called, error) {
	id, err := federation.ParseID(apiID)
	if err != nil {
		return apimsim.Called{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	url := s.awsURL + awssim.InvokePath(awssim.Scope{Account: id.Account, Region: id.Region}, id.RestAPI, id.Stage)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return apimsim.Called{}, err
	}
	request.Close = true // one call, no connection left behind
	if key != "" {
		request.Header.Set("X-Api-Key", key)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return apimsim.Called{}, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read as far as it is shown
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return apimsim.Called{URL: url, Status: answer.StatusCode, Body: string(body)}, err
}
