package apimsim

import (
	"context"
	"net/http"
	"slices"
	"time"
)

func (a *APIM) restEnvironment(c restCall) (any, error) {
	return map[string]string{"id": c.env, "name": or(a.opts.Readable[c.env], c.env)}, nil
}

// restMember finds an integration for whoever may do something with it. The permission is looked at first; without it,
// one that does not exist is forbidden, too.
func (a *APIM) restMember(c restCall, letter string) (Integration, error) {
	id := c.PathValue("integrationId")
	if role := c.roleOn(id); letter != "" && !slices.Contains([]byte(role), letter[0]) {
		return Integration{}, errForbidden
	}
	i, err := a.integration(id)
	if err != nil || i.Env != c.env {
		return Integration{}, errNoOne
	}
	return i, nil
}

// restIntegration shows a job that is pending, which one past its deadline is no more. Two of them cannot be read from
// MongoDB, where exactly one is looked for (read, not run).
func (a *APIM) restIntegration(c restCall) (any, error) {
	i, err := a.restMember(c, "R")
	if err != nil {
		return nil, err
	}
	type job struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	}
	view := struct {
		ID          string `json:"id"`
		Name        string `json:"name"`
		Provider    string `json:"provider"`
		AgentStatus string `json:"agentStatus"`
		PendingJob  *job   `json:"pendingJob,omitempty"`
	}{ID: i.ID, Name: i.Name, Provider: i.Provider, AgentStatus: "DISCONNECTED"}
	if len(a.sessionsOf(i.ID)) > 0 {
		view.AgentStatus = "CONNECTED"
	}
	pending := 0
	for _, j := range a.Jobs() {
		if j.IntegrationID == i.ID && j.Status == JobPending {
			pending++
			view.PendingJob = &job{ID: j.ID, Status: j.Status}
		}
	}
	if pending > 1 && a.opts.NoSQLLimits {
		return nil, &restError{http.StatusInternalServerError, "More than one pending job was found", ""}
	}
	return view, nil
}

// restPermissions tells everybody who is known. Letters are one text: this API's mapper writes arrays of characters so
// (read).
func (a *APIM) restPermissions(c restCall) (any, error) {
	i, err := a.restMember(c, "")
	if err != nil {
		return nil, err
	}
	permissions := map[string]string{}
	if role := c.roleOn(i.ID); role != "" {
		permissions["DEFINITION"], permissions["MEMBER"] = role, role
	}
	return permissions, nil
}

// restIngest starts an ingest, also beside one that runs. It answers PENDING without the job's id, also where there is
// no job because the agent had nothing.
func (a *APIM) restIngest(c restCall) (any, error) {
	i, err := a.restMember(c, "C")
	if err != nil {
		return nil, err
	}
	var in struct {
		APIIDs []string `json:"apiIds"`
	}
	if err := c.read(&in); err != nil || in.APIIDs == nil {
		return nil, errInvalid
	}
	// An ingest that was started goes on when its caller hangs up.
	if _, err := a.startIngestFor(context.WithoutCancel(c.Context()), i, in.APIIDs, c.account); err != nil {
		return nil, err
	}
	return map[string]string{"status": JobPending}, nil
}

// restIngested lists the APIs of an integration, last written first.
func (a *APIM) restIngested(c restCall) (any, error) {
	i, err := a.restMember(c, "R")
	if err != nil {
		return nil, err
	}
	apis := slices.DeleteFunc(a.APIs(), func(api API) bool { return api.IntegrationID != i.ID })
	slices.SortStableFunc(apis, func(x, y API) int { return y.UpdatedAt.Compare(x.UpdatedAt) })
	type ingested struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	return paged(c, apis, func(api API) ingested {
		view := ingested{ID: api.ID, Name: api.Name}
		if a.features.listsVersions {
			view.Version = api.Version
		}
		return view
	})
}

// restTime is how the management API writes a time.
func restTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
