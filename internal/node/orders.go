package node

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/secret"
	"federation-agent/internal/store"
)

const (
	// orderWithin is how long an order waits to be in the journal: less than what the command waits for the answer.
	orderWithin = 4 * time.Second
	// maxOrder and maxReason, in bytes, bound what an order says. The reason is kept in the journal.
	maxOrder  = 8 << 10
	maxReason = 500
	// tokenOwner is who gives an order with the token: whoever can read the file.
	tokenOwner = "the command beside the agent"
)

// NewToken is a random text for [Options.Token].
func NewToken() secret.String { return secret.New(rand.Text() + rand.Text()) }

// order is what a form or a JSON body says.
type order struct {
	// Reason is kept in the journal and in the log.
	Reason string `json:"reason"`
	// Seen is the state that the caller saw. The order is refused if it is another one by now.
	Seen keys.State `json:"seen,omitempty"`
	// EvenIfInUse deletes a key that a customer uses, or may use.
	EvenIfInUse bool `json:"evenIfInUse,omitempty"`
}

// refused is an answer to an order that is not carried out.
type refused struct {
	Error string `json:"error"`
	// Why is a [keys.Why], or empty.
	Why keys.Why `json:"why,omitempty"`
}

// proven serves only who proves who he is: a user, or, where everybody may read, whoever has the token of a file here.
// It is what stands before all that changes something, and before all that says how the agent is set up. serve hears who
// it is. takes are the types of content that may be sent; none: the content is not looked at.
//
// A form is what another page in the visitor's browser could send as well, with the visitor's password. So it carries a
// token that only our own page shows; and no request is taken that a browser says another site has caused.
func (a *api) proven(serve func(w http.ResponseWriter, r *http.Request, by string), takes ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, why := a.whoIs(r)
		switch {
		case http.NewCrossOriginProtection().Check(r) != nil:
			refuse(w, r, http.StatusForbidden, "another site's page sent this; use the agent's own page", "")
		case why != "":
			refuse(w, r, http.StatusForbidden, why, "")
		case takes != nil && !slices.Contains(takes, mediaOf(r)):
			refuse(w, r, http.StatusUnsupportedMediaType, "send "+strings.Join(takes, " or "), "")
		default:
			serve(w, r, by)
		}
	}
}

// What callers send.
const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
)

func mediaOf(r *http.Request) string {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return media
}

// onKey serves an order about one key: JSON from commands, a form from the status page.
func (a *api) onKey(wanted keys.Wanted) http.HandlerFunc {
	return a.proven(func(w http.ResponseWriter, r *http.Request, by string) {
		o, err := a.read(w, r)
		if err != nil {
			refuse(w, r, http.StatusBadRequest, err.Error(), "")
			return
		}
		record, err := a.find(r.Context(), r.PathValue("id"))
		if err == nil {
			ctx, cancel := context.WithTimeout(r.Context(), orderWithin)
			record, err = a.Order(ctx, keys.Order{
				ID: record.ID, Of: record.Subscription(), Wanted: wanted, By: by, Reason: o.Reason, Seen: o.Seen,
				EvenIfInUse: o.EvenIfInUse,
			})
			cancel()
		}
		if err != nil {
			code, sort := refusalOf(err)
			refuse(w, r, code, err.Error(), sort)
			return
		}
		if mediaOf(r) == mediaForm {
			w.Header().Set("Location", "../../../federation#keys") // relative: a proxy may have put a path before ours
			w.WriteHeader(http.StatusSeeOther)
			return
		}
		writeJSON(w, http.StatusOK, changed{a.listed(r.Context(), record), a.StoreHealth().Messages})
	}, mediaJSON, mediaForm)
}

// changed is the answer to an order that is in the journal.
type changed struct {
	Key keyReport `json:"key"`
	// Warnings say what the journal cannot guarantee now.
	Warnings []string `json:"warnings,omitempty"`
}

// whoIs says who asks, or why nobody may who does not prove it.
func (a *api) whoIs(r *http.Request) (by, why string) {
	if !a.Open {
		by, _, _ = r.BasicAuth() // it was admitted
		return by, ""
	}
	given, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want, got := sha256.Sum256([]byte(a.Token.Reveal())), sha256.Sum256([]byte(given))
	if subtle.ConstantTimeCompare(want[:], got[:]) == 1 && given != "" {
		return tokenOwner, ""
	}
	return "", "this node API knows no users (services.core.http.authentication.type=none), so this is only for " +
		"commands on the agent's own machine, or in its container, which have the token of a file there"
}

// read gives what an order says.
func (a *api) read(w http.ResponseWriter, r *http.Request) (o order, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxOrder)
	if mediaOf(r) == mediaForm {
		if err = r.ParseForm(); err == nil && !hmac.Equal([]byte(r.PostForm.Get(csrfField)), []byte(a.csrf(r))) {
			err = errors.New("this form is not from the agent's page, or from before its last start: load the page again")
		}
		o = order{
			Reason: r.PostForm.Get("reason"), Seen: keys.State(r.PostForm.Get("seen")),
			EvenIfInUse: r.PostForm.Get("evenIfInUse") == "true",
		}
	} else {
		var body []byte
		if body, err = io.ReadAll(r.Body); err == nil {
			err = json.Unmarshal(body, &o)
		}
	}
	o.Reason = strings.Join(strings.Fields(strings.ToValidUTF8(o.Reason, "")), " ")
	switch {
	case err != nil:
	case o.Reason == "":
		err = errors.New("say why, in reason: it is kept with the key and in the log")
	case len(o.Reason) > maxReason:
		err = errors.New("the reason is too long; 500 bytes are enough")
	}
	return o, err
}

// csrfField is the form's field with the token of [api.csrf].
const csrfField = "csrf"

// csrf is the token in our page's forms, for one user and one process.
func (a *api) csrf(r *http.Request) string {
	user, _, _ := r.BasicAuth()
	mac := hmac.New(sha256.New, a.formKey)
	mac.Write([]byte(user))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// csrfOf is the token for the forms of a page; empty where nobody authenticated, and a page has no buttons. Beside it, a
// form has the fields of [order] by their JSON names.
func (a *api) csrfOf(r *http.Request) string {
	if a.Open {
		return ""
	}
	return a.csrf(r)
}

// refusalOf gives an answer's code for an error.
func refusalOf(err error) (code int, why keys.Why) {
	refusal, is := errors.AsType[*keys.Refusal](err)
	switch {
	case is && refusal.Why == keys.Unknown:
		return http.StatusNotFound, refusal.Why
	case is && refusal.Why == keys.NotYet:
		return http.StatusServiceUnavailable, refusal.Why
	case is:
		return http.StatusConflict, refusal.Why
	case errors.Is(err, store.ErrTransition):
		return http.StatusConflict, keys.Changed
	}
	return http.StatusServiceUnavailable, "" // the journal is closed, or the agent is ending
}

// refuse answers that nothing was done. People who sent a form read it as a page.
func refuse(w http.ResponseWriter, r *http.Request, code int, text string, why keys.Why) {
	if mediaOf(r) != mediaForm {
		writeJSON(w, code, refused{Error: text, Why: why})
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, `<!doctype html><html lang="en"><meta charset="utf-8">`+
		`<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="../../page.css">`+
		`<title>Not done</title><main><h1>Not done</h1><p>`+html.EscapeString(text)+
		`.</p><p><a href="../../../federation#keys">Back to the keys</a></p></main>`)
}
