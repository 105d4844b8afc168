package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Ask sends body, unless nil, as JSON to a management surface and decodes the answer. Errors: any status but 200, with
// the answer's text.
func Ask[T any](ctx context.Context, method, url string, body any) (T, error) {
	var answer T
	text, err := call(ctx, method, url, body)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	return answer, err
}

// Tell is [Ask] without an interest in the answer's content.
func Tell(ctx context.Context, method, url string, body any) error {
	_, err := call(ctx, method, url, body)
	return err
}

func call(ctx context.Context, method, url string, body any) ([]byte, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, url, response.Status, text)
	}
	return text, err
}
