package apimsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// managementPath is where the stand-in is driven by other processes.
const managementPath = "/_sandbox/apim/"

// maxRequestBody bounds a management request: a list of API ids of a large estate.
const maxRequestBody = 4 << 20

// SubscriptionView is a subscription as the management surface shows it. It holds the key in clear:
// APIM's console shows it to its user as well.
type SubscriptionView struct {
	ID              string            `json:"id"`
	IntegrationID   string            `json:"integrationId"`
	APIID           string            `json:"apiId"`
	PlanID          string            `json:"planId"`
	ApplicationName string            `json:"applicationName"`
	Type            string            `json:"type"`
	Status          string            `json:"status"`
	APIKey          string            `json:"apiKey,omitempty"`
	Metadata        map[string]string `json:"metadata,omitempty"`
	Reason          string            `json:"reason,omitempty"`
}

func viewSubscription(s Subscription) SubscriptionView {
	return SubscriptionView{
		ID: s.ID, IntegrationID: s.IntegrationID, APIID: s.APIID, PlanID: s.PlanID,
		ApplicationName: s.ApplicationName, Type: s.Type, Status: s.Status,
		APIKey: s.APIKey.Reveal(), Metadata: s.Metadata, Reason: s.Reason,
	}
}

// JobView is a job as the management surface shows it.
type JobView struct {
	ID            string    `json:"id"`
	IntegrationID string    `json:"integrationId"`
	Status        string    `json:"status"`
	Total         int64     `json:"total"`
	Ingested      int       `json:"ingested"`
	Batches       int       `json:"batches"`
	Deadline      time.Time `json:"deadline,omitzero"`
}

func viewJob(j Job) JobView {
	return JobView{
		ID: j.ID, IntegrationID: j.IntegrationID, Status: j.Status, Total: j.Total,
		Ingested: j.Ingested, Batches: j.Batches, Deadline: j.Deadline,
	}
}

// APIView is an API as the management surface shows it: pages without their content.
type APIView struct {
	ID            string            `json:"id"`
	IntegrationID string            `json:"integrationId"`
	UniqueID      string            `json:"uniqueId"`
	ProviderID    string            `json:"providerId"`
	Name          string            `json:"name"`
	Version       string            `json:"version"`
	Description   string            `json:"description,omitempty"`
	Plans         []PlanView        `json:"plans"`
	Pages         []PageView        `json:"pages"`
	Metadata      map[string]string `json:"metadata,omitempty"`
}

// PlanView is a plan of an [APIView].
type PlanView struct {
	ID              string   `json:"id"`
	ProviderID      string   `json:"providerId"`
	Name            string   `json:"name"`
	Security        string   `json:"security"`
	Characteristics []string `json:"characteristics,omitempty"`
}

// PageView is a page of an [APIView].
type PageView struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"`
}

func viewAPI(api API) APIView {
	v := APIView{
		ID: api.ID, IntegrationID: api.IntegrationID, UniqueID: api.UniqueID, ProviderID: api.ProviderID,
		Name: api.Name, Version: api.Version, Description: api.Description,
		Plans: []PlanView{}, Pages: []PageView{}, Metadata: map[string]string{},
	}
	for _, p := range api.Plans {
		v.Plans = append(v.Plans, PlanView{
			ID: p.ID, ProviderID: p.ProviderID, Name: p.Name, Security: p.Security, Characteristics: p.Characteristics,
		})
	}
	for _, p := range api.Pages {
		v.Pages = append(v.Pages, PageView{Name: p.Name, Type: p.Type, Size: p.Size, SHA256: p.SHA256})
	}
	for _, m := range api.Metadata {
		v.Metadata[m.Key] = m.Value
	}
	return v
}

// AgentView is a connected agent as the management surface shows it.
type AgentView struct {
	Conn          int       `json:"connection"`
	IntegrationID string    `json:"integrationId"`
	Primary       bool      `json:"primary"`
	RemoteAddr    string    `json:"remoteAddress"`
	ConnectedAt   time.Time `json:"connectedAt"`
}

func (a *APIM) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+strings.TrimSuffix(a.opts.PathPrefix, "/")+"/exchange/controller", a.serveController)
	mux.HandleFunc("GET /{$}", a.servePage)
	mux.HandleFunc("GET /page.css", servePageFile("page.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /page.js", servePageFile("page.js", "text/javascript; charset=utf-8"))
	for pattern, serve := range map[string]func(*http.Request) (any, error){
		"POST preview":                   a.postPreview,
		"POST ingest":                    a.postIngest,
		"POST subscriptions":             a.postSubscription,
		"DELETE subscriptions/{id}":      a.deleteSubscription,
		"POST subscriptions/{id}/delete": a.deleteSubscription, // HTML forms know no DELETE
		"POST subscriptions/{id}/call":   a.postCall,
		"POST integrations":              a.postIntegration,
		"POST good-bye":                  a.postGoodBye,
		"POST refuse-upgrades":           a.postRefuseUpgrades,
		"GET jobs":                       func(*http.Request) (any, error) { return views(a.Jobs(), viewJob), nil },
		"GET apis":                       func(*http.Request) (any, error) { return views(a.APIs(), viewAPI), nil },
		"GET subscriptions": func(*http.Request) (any, error) {
			return views(a.Subscriptions(), viewSubscription), nil
		},
		"GET agents": func(*http.Request) (any, error) {
			return views(a.Agents(), func(g Agent) AgentView {
				return AgentView{
					Conn: g.Conn, IntegrationID: g.IntegrationID, Primary: g.Primary, RemoteAddr: g.RemoteAddr,
					ConnectedAt: g.ConnectedAt,
				}
			}), nil
		},
		"GET problems": func(*http.Request) (any, error) {
			return views(a.Problems(), func(p Problem) Problem { return p }), nil
		},
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+managementPath+path, a.answer(serve))
	}
	a.routeREST(mux)
	return mux
}

// views never gives null: an empty list is an empty list.
func views[T, V any](list []T, view func(T) V) []V {
	out := make([]V, 0, len(list))
	for _, entry := range list {
		out = append(out, view(entry))
	}
	return out
}

// answer writes JSON, or sends a form's user back to the page with a notice.
func (a *APIM) answer(serve func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
		value, err := serve(r)
		if isForm(r) {
			a.noteForm(value, err)
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		status := http.StatusOK
		if err != nil {
			status, value = statusOf(err), map[string]string{"error": err.Error()}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(value); err != nil {
			a.opts.Log.Info("answer not delivered", "error", err)
		}
	}
}

func statusOf(err error) int {
	var tooLarge *http.MaxBytesError
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	case errors.As(err, &syntax), errors.As(err, &tooLarge), errors.Is(err, errBadRequest):
		return http.StatusBadRequest
	case errors.Is(err, ErrNotAccepted):
		return http.StatusConflict
	case errors.Is(err, ErrNoAgent), errors.Is(err, ErrClosed):
		return http.StatusServiceUnavailable
	case errors.Is(err, ErrNoReply):
		return http.StatusGatewayTimeout
	default:
		return http.StatusBadGateway
	}
}

var errBadRequest = errors.New("bad request")

func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// request bodies, all in one: every field is optional but where a handler says so.
type manageRequest struct {
	IntegrationID   string   `json:"integrationId"` // the only integration if empty
	APIIDs          []string `json:"apiIds"`
	APIID           string   `json:"apiId"`
	PlanID          string   `json:"planId"`
	ApplicationName string   `json:"applicationName"`
	Type            string   `json:"type"`
	Reconnect       bool     `json:"reconnect"`
	Count           int      `json:"count"`
	Status          int      `json:"status"`
}

func (a *APIM) readRequest(r *http.Request) (manageRequest, error) {
	var in manageRequest
	if isForm(r) {
		if err := r.ParseForm(); err != nil {
			return in, fmt.Errorf("%w: %w", errBadRequest, err)
		}
		in = manageRequest{
			IntegrationID: r.PostForm.Get("integrationId"), APIIDs: r.PostForm["apiIds"], APIID: r.PostForm.Get("apiId"),
			PlanID: r.PostForm.Get("planId"), ApplicationName: r.PostForm.Get("applicationName"), Type: r.PostForm.Get("type"),
		}
	} else if r.ContentLength != 0 {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			return in, fmt.Errorf("%w: %w", errBadRequest, err)
		}
	}
	if all := a.Integrations(); in.IntegrationID == "" && len(all) == 1 {
		in.IntegrationID = all[0].ID
	}
	return in, nil
}

func (a *APIM) postPreview(r *http.Request) (any, error) {
	in, err := a.readRequest(r)
	if err != nil {
		return nil, err
	}
	return orError(a.Preview(r.Context(), in.IntegrationID))
}

func (a *APIM) postIngest(r *http.Request) (any, error) {
	in, err := a.readRequest(r)
	if err != nil {
		return nil, err
	}
	// An ingest that was started goes on when its caller hangs up, as in APIM.
	job, err := a.StartIngest(context.WithoutCancel(r.Context()), in.IntegrationID, in.APIIDs)
	return orError(viewJob(job), err)
}

func (a *APIM) postSubscription(r *http.Request) (any, error) {
	in, err := a.readRequest(r)
	if err != nil {
		return nil, err
	}
	if in.APIID == "" || in.PlanID == "" || in.ApplicationName == "" {
		return nil, fmt.Errorf("%w: apiId, planId and applicationName are required", errBadRequest)
	}
	sub, err := a.Subscribe(context.WithoutCancel(r.Context()), in.APIID, in.PlanID, in.ApplicationName, in.Type)
	return orError(viewSubscription(sub), err)
}

func (a *APIM) deleteSubscription(r *http.Request) (any, error) {
	id := r.PathValue("id")
	if err := a.Unsubscribe(context.WithoutCancel(r.Context()), id); err != nil {
		return nil, err
	}
	for _, sub := range a.Subscriptions() {
		if sub.ID == id {
			return viewSubscription(sub), nil
		}
	}
	return nil, fmt.Errorf("subscription %s: %w", id, ErrNotFound)
}

func orError[T any](value T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return value, nil
}
