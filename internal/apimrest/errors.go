package apimrest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"federation-agent/internal/apimrest/management"
	"federation-agent/internal/secret"
	"federation-agent/internal/words"
)

// Class says why a request has failed, by what must be changed.
type Class string

// The classes.
const (
	// Unauthorized is a token that APIM does not know: 401.
	Unauthorized Class = "unauthorized"
	// Forbidden is a token that may not do this, or a licence that does not include it: 403.
	Forbidden Class = "forbidden"
	// NotFound is an integration, API or subscription that is not in this environment: 404 in APIM's form.
	NotFound Class = "not found"
	// Refused is what APIM does not do, for a reason that it gives: 400 and the rest of 4xx. Nothing has changed.
	Refused Class = "refused"
	// Failed is what APIM tried and could not do: 500. Where the agent had a part in it, there is none, or it refused, or
	// it did not answer in time; nothing tells which. Some of it may have been done.
	Failed Class = "failed"
	// Unavailable is APIM not being there, by the word of a gateway before it: 429, 502, 503, 504.
	Unavailable Class = "unavailable"
	// Unreachable is no answer, or none in time. What was to be changed may have been changed.
	Unreachable Class = "unreachable"
	// Unusable is an answer that no management API would give.
	Unusable Class = "unusable"
	// Cancelled is a request that its caller gave up.
	Cancelled Class = "cancelled"
)

// NeedsSomebody says that a failure lasts until a person changes something in APIM or in the settings.
func (c Class) NeedsSomebody() bool {
	return c == Unauthorized || c == Forbidden || c == NotFound || c == Refused || c == Unusable
}

// advices say what to check, for each class where there is something.
var advices = map[Class]string{
	Unauthorized: "check agent.apim.token: a personal access token of this organization that has not expired or been " +
		"revoked",
	Forbidden: "let the service account of agent.apim.token be a member of the integration with the role OWNER, and a " +
		"member of the API where it is about one (docs/operations.md, APIM's REST API); APIM says the same of an id that it " +
		"does not know",
	NotFound: "check that it is in the environment agent.apim.environmentId",
	Refused:  "an agent.apim.environmentId that is not the environment's id is refused, too",
	Failed:   "check APIM's log, and where the agent had to do something, that it is connected and its log",
	Unavailable: "a gateway answered that APIM is not there, or is asked too much: check that APIM's management API " +
		"runs",
	Unreachable: "check agent.apim.url, this machine's network and DNS, and what it shares with the session: " +
		"integration.connector.ws.ssl and .proxy",
	Unusable: "check agent.apim.url, usually https://HOST/management: what answers there is not the management API of " +
		"APIM 4.5 or later",
}

// Error is a request that has failed. It holds nothing of the token.
type Error struct {
	Class Class
	// Doing says what was asked for.
	Doing string
	// Status is that of the answer, 0 if there was none.
	Status int
	// Text is what APIM said of it, shortened; or what is wrong with the answer.
	Text string
	// Err is the cause where there was no answer.
	Err error
}

// Error says what failed and what to check, in one line.
func (e *Error) Error() string {
	text := e.Doing + ": " + e.What()
	if advice := e.Advice(); advice != "" {
		text += "; " + advice
	}
	return text
}

// What says what happened, without what it was for and what to do about it.
func (e *Error) What() string {
	var parts []string
	if e.Status != 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("APIM answered %d %s", e.Status, http.StatusText(e.Status))))
	}
	if e.Text != "" {
		parts = append(parts, e.Text)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Advice says what to check; empty where there is nothing.
func (e *Error) Advice() string { return advices[e.Class] }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether an error is a failed request of this class.
func Is(err error, class Class) bool {
	failure, ok := errors.AsType[*Error](err)
	return ok && failure.Class == class
}

// withoutAnswer is the error of a request that was not answered.
func withoutAnswer(ctx context.Context, doing string, err error) *Error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // it repeats the address
		err = wrapped.Err
	}
	e := &Error{Class: Unreachable, Doing: doing, Err: err}
	switch cause := context.Cause(ctx); {
	case errors.As(cause, new(tooLate)):
		e.Err = cause
	case cause != nil:
		e.Class, e.Err = Cancelled, cause
	}
	return e
}

// answered is the error of an answer that is no success.
func answered(doing string, response *http.Response, body []byte, token secret.String) *Error {
	e := &Error{Class: classOf(response.StatusCode), Doing: doing, Status: response.StatusCode}
	var said management.Error
	isJSON := json.Unmarshal(body, &said) == nil
	if isJSON {
		e.Text = readable(value(said.Message), token)
	}
	if e.Class == NotFound && (!isJSON || said.HttpStatus == nil) { // of a gateway that knows no such path
		e.Class = Unusable
	}
	if to, err := response.Location(); err == nil { // its path may hold what is secret
		e.Text = readable("it sends on to "+to.Scheme+"://"+to.Host, token)
	}
	return e
}

func classOf(status int) Class {
	switch status {
	case http.StatusUnauthorized:
		return Unauthorized
	case http.StatusForbidden:
		return Forbidden
	case http.StatusNotFound:
		return NotFound
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Unavailable
	}
	switch {
	case status >= http.StatusInternalServerError:
		return Failed
	case status >= http.StatusBadRequest:
		return Refused
	}
	return Unusable
}

// readable makes one short line of what the other side says, without the token, which it may repeat.
func readable(text string, token secret.String) string {
	if hidden := token.Reveal(); hidden != "" {
		text = strings.ReplaceAll(text, hidden, secret.Redacted)
	}
	return words.Short(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?")))
}
