package awssim

import (
	"encoding/json"
	"encoding/xml"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxRequestBytes bounds a request's body; API Gateway's own key requests are far below.
const maxRequestBytes = 1 << 20

// request is one attempt on its way through the server.
type request struct {
	id         string
	method     string
	path       string
	query      url.Values
	form       url.Values
	body       []byte
	accept     string
	maxPage    int
	credential credentialScope
	caller     caller
	region     *region // nil for STS
	event      Event
	keyID      string
	input      any // decoded body, where routing needed it
	class      latencyClass
	// permissions are needed beside the one that method and path make.
	permissions []permission
	do          operation
	left        <-chan struct{} // closed when the client has left
}

// permission is an IAM action on a resource's path. Only few resources have an account.
type permission struct{ verb, path, account string }

type operation func(*Server, *request) (response, *apiError)

// response is an answer that was not written yet.
type response struct {
	status      int
	contentType string
	disposition string
	body        []byte
	// stream, where set, writes the body of exactly size bytes instead, of any number if size is negative.
	stream func(io.Writer) error
	size   int64
	retry  time.Duration
	code   string
}

func (r response) length() int64 {
	if r.stream != nil {
		return r.size
	}
	return int64(len(r.body))
}

func (r response) writeBody(w io.Writer) error {
	if r.stream != nil {
		return r.stream(w)
	}
	_, err := w.Write(r.body)
	return err
}

const (
	contentJSON = "application/json"
	contentXML  = "text/xml"
)

// jsonResponse encodes a value made of plain fields; such a value cannot fail to encode.
func jsonResponse(status int, value any) response {
	body, err := json.Marshal(value)
	if err != nil {
		return errorResponse(serviceAPIGateway, "",
			refuse(http.StatusInternalServerError, "InternalFailure", "encoding the answer: %v", err))
	}
	return response{status: status, contentType: contentJSON, body: body}
}

func xmlResponse(value any) response {
	body, err := xml.Marshal(value)
	if err != nil {
		return response{status: http.StatusInternalServerError, contentType: contentXML, code: "InternalFailure"}
	}
	return response{status: http.StatusOK, contentType: contentXML, body: body}
}

// errorResponse spells an error as its service does.
func errorResponse(service, requestID string, e *apiError) response {
	if service == serviceSTS {
		kind := "Sender"
		if e.status >= http.StatusInternalServerError {
			kind = "Receiver"
		}
		r := xmlResponse(stsErrorResponse{
			Namespace: stsNamespace, Type: kind, Code: stsCode(e.code), Message: e.message, RequestID: requestID,
		})
		r.status, r.code, r.retry = e.status, stsCode(e.code), e.retryAfter
		return r
	}
	body, err := json.Marshal(map[string]string{"message": e.message})
	if err != nil { // a map of strings always encodes
		body = nil
	}
	return response{status: e.status, contentType: contentJSON, body: body, code: e.code, retry: e.retryAfter}
}

// writeHead sends all but the body.
func writeHead(w http.ResponseWriter, r *request, answer response) {
	h := w.Header()
	h.Set("X-Amzn-Requestid", r.id)
	if answer.contentType != "" {
		h.Set("Content-Type", answer.contentType)
	}
	if answer.disposition != "" {
		h.Set("Content-Disposition", answer.disposition)
	}
	if answer.code != "" && r.credential.service != serviceSTS {
		h.Set("X-Amzn-Errortype", answer.code)
	}
	if r.credential.service == serviceDynamoDB { // the SDK checks it
		h.Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer.body)), 10))
	}
	if answer.retry > 0 {
		seconds := (answer.retry + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if length := answer.length(); length >= 0 {
		h.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	w.WriteHeader(answer.status)
}
