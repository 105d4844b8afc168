package apimsim

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// restPath is where the management API lies that an agent may ask, version 2. APIM 4.4 has another one, which is not
// served.
const restPath = "/management/v2/environments/{envId}"

// RESTRequest is a request to the management API.
type RESTRequest struct {
	At time.Time
	// Operation is the method and the path below the environment, with names in the place of ids, such as
	// "GET /integrations/{integrationId}".
	Operation string
	// Subject is the last id of the path.
	Subject string
	// Nth counts the requests for this operation from 1.
	Nth int
	// Status is that of the answer; 0 where there was none.
	Status int
}

// RESTRequests lists the requests to the management API so far, oldest first, refused ones included.
func (a *APIM) RESTRequests() []RESTRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests.list()
}

// restCall is a request whose sender is known.
type restCall struct {
	*http.Request
	env     string
	account *Account // nil for an administrator
}

// restError is an answer in APIM's form.
type restError struct {
	HTTPStatus    int    `json:"httpStatus"`
	Message       string `json:"message"`
	TechnicalCode string `json:"technicalCode,omitempty"`
}

// Error implements error.
func (e *restError) Error() string { return e.Message }

var (
	errForbidden = &restError{
		http.StatusForbidden, "You do not have sufficient rights to access this resource", "forbidden",
	}
	errNoToken   = &restError{http.StatusUnauthorized, "Unauthorized", "unauthorized"}
	errNoContext = &restError{http.StatusBadRequest, "Invalid organization or environment", ""}
	errInvalid   = &restError{http.StatusBadRequest, "Validation error", ""}
	// errBare is the container's answer to a token that it does not know: no body.
	errBare  = errors.New("unauthorized")
	errNoOne = &restError{http.StatusNotFound, "Integration not found.", ""}
)

// noContent is the answer to what needs none.
type noContent struct{}

func (a *APIM) routeREST(mux *http.ServeMux) {
	if a.features.legacy {
		return
	}
	for operation, serve := range map[string]func(restCall) (any, error){
		"GET ":                              a.restEnvironment,
		"GET /integrations/{integrationId}": a.restIntegration,
		"GET /integrations/{integrationId}/permissions":    a.restPermissions,
		"POST /integrations/{integrationId}/_ingest":       a.restIngest,
		"GET /integrations/{integrationId}/apis":           a.restIngested,
		"GET /apis/{apiId}":                                a.restAPI,
		"PUT /apis/{apiId}":                                a.restUpdate,
		"DELETE /apis/{apiId}":                             a.restDelete,
		"GET /apis/{apiId}/metadata":                       a.restMetadata,
		"GET /apis/{apiId}/plans":                          a.restPlans,
		"GET /apis/{apiId}/subscriptions":                  a.restSubscriptions,
		"GET /apis/{apiId}/subscriptions/{subscriptionId}": a.restSubscription,
		// These are for people who try a runbook: the agent asks for neither.
		"POST /apis/{apiId}/subscriptions":                         a.restSubscribe,
		"POST /apis/{apiId}/subscriptions/{subscriptionId}/_close": a.restClose,
	} {
		method, path, _ := strings.Cut(operation, " ")
		mux.HandleFunc(method+" "+restPath+path, func(w http.ResponseWriter, r *http.Request) {
			a.serveREST(w, r, operation, serve)
		})
	}
}

func (a *APIM) serveREST(
	w http.ResponseWriter, r *http.Request, operation string, serve func(restCall) (any, error),
) {
	event := RESTRequest{At: time.Now(), Operation: operation, Subject: cmp.Or(
		r.PathValue("subscriptionId"), r.PathValue("apiId"), r.PathValue("integrationId"), r.PathValue("envId"))}
	a.mu.Lock()
	a.asked[operation]++
	event.Nth = a.asked[operation]
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.requests.add(event)
		a.mu.Unlock()
	}()
	fault := RESTFault{}
	if f := a.opts.Script.REST; f != nil {
		fault = f(event)
	}
	if !a.pause(fault.Delay, r.Context().Done()) || fault.CutBefore {
		panic(http.ErrAbortHandler)
	}
	if event.Status = fault.Status; fault.Status != 0 {
		w.WriteHeader(fault.Status)
		return
	}
	value, err := a.answerREST(w, r, serve)
	if fault.CutAfter {
		panic(http.ErrAbortHandler)
	}
	event.Status = a.writeREST(w, value, err)
}

// answerREST finds out who asks, and about which environment: that first, as APIM's filters do.
func (a *APIM) answerREST(w http.ResponseWriter, r *http.Request, serve func(restCall) (any, error)) (any, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
	c := restCall{Request: r}
	a.mu.Lock()
	c.env = a.environmentLocked(r.PathValue("envId"))
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	isOpen, account := a.accounts == nil, a.accounts[token]
	a.mu.Unlock()
	c.account = account
	switch {
	case c.env == "":
		return nil, errNoContext
	case isOpen:
	case !isBearer:
		return nil, errNoToken
	case account == nil:
		return nil, errBare
	}
	return serve(c)
}

// environmentLocked gives the id of an environment: of an id, or of a readable name where that is taken, too.
func (a *APIM) environmentLocked(text string) string {
	for _, i := range a.integrations {
		if i.Env == text || a.opts.Readable[i.Env] == text && text != "" {
			return i.Env
		}
	}
	return ""
}

func (a *APIM) writeREST(w http.ResponseWriter, value any, err error) (status int) {
	status = http.StatusOK
	told := &restError{}
	switch {
	case errors.Is(err, errBare):
		w.WriteHeader(http.StatusUnauthorized)
		return http.StatusUnauthorized
	case errors.As(err, &told):
		status, value = told.HTTPStatus, told
	case err != nil: // of an agent, or of its absence
		status, value = http.StatusInternalServerError, &restError{http.StatusInternalServerError, err.Error(), ""}
	case value == noContent{}:
		w.WriteHeader(http.StatusNoContent)
		return http.StatusNoContent
	}
	if made, is := value.(created); is {
		status, value = http.StatusCreated, made.what
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		a.opts.Log.Info("answer not delivered", "error", err)
	}
	return status
}

// read reads a body.
func (c restCall) read(into any) error {
	body, err := io.ReadAll(c.Body)
	if err != nil || json.Unmarshal(body, into) != nil {
		return errInvalid
	}
	return nil
}

// list gives the values of a parameter that is a list with commas.
func (c restCall) list(name, usual string) []string {
	return strings.Split(cmp.Or(c.URL.Query().Get(name), usual), ",")
}

type restPage struct {
	Data       any            `json:"data"`
	Pagination restPagination `json:"pagination"`
}

type restPagination struct {
	Page           int `json:"page"`
	PerPage        int `json:"perPage"`
	PageCount      int `json:"pageCount"`
	PageItemsCount int `json:"pageItemsCount"`
	TotalCount     int `json:"totalCount"`
}

// paged gives the page that was asked for: by default the first one, of ten.
func paged[T, V any](c restCall, all []T, view func(T) V) (any, error) {
	numbers := [2]int{1, 10}
	for i, name := range []string{"page", "perPage"} {
		if text := c.URL.Query().Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return nil, errInvalid
			}
			numbers[i] = n
		}
	}
	page, size := numbers[0], numbers[1]
	part := all[min((page-1)*size, len(all)):min(page*size, len(all))]
	return restPage{Data: views(part, view), Pagination: restPagination{
		Page: page, PerPage: size, PageCount: (len(all) + size - 1) / size, PageItemsCount: len(part), TotalCount: len(all),
	}}, nil
}

// roleOn gives letters of CRUD: what an account may do with an integration itself.
func (c restCall) roleOn(integration string) string {
	switch {
	case c.account == nil, c.account.Admin, slices.Contains(c.account.Owns, integration):
		return "CRUD"
	case slices.Contains(c.account.Reads, integration):
		return "R"
	}
	return ""
}

// manages reports whether an account may do everything with an API. Its role on the integration says nothing of that.
func (c restCall) manages(api *API) bool {
	return c.account == nil || c.account.Admin || api.owner == c.account || slices.Contains(c.account.Manages, api.ID)
}
