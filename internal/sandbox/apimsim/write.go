package apimsim

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// abortError ends a whole INGEST, not only one API.
type abortError struct{ cause error }

func (e *abortError) Error() string { return e.cause.Error() }
func (e *abortError) Unwrap() error { return e.cause }

// write is the creation or update of one API.
type write struct {
	apim    *APIM
	session *session
	in      inAPI
	id      string // APIM's
	env     string
	subject string // for messages
	owner   string // integration id
	api     *API   // as it is stored; somebody may delete it while it is written
	owning  *Account
	created bool
	plans   map[string]bool // APIM ids of the plans that this write created or updated
}

func (a *APIM) newWrite(s *session, integrationID, env string, in inAPI) *write {
	w := &write{apim: a, session: s, in: in, env: env, owner: integrationID, subject: in.id}
	if in.uniqueID == nil {
		w.id = a.newID()
		a.problem(Problem{
			Code: ProblemRandomIdentity, Integration: integrationID, Subject: in.id,
			Detail: "uniqueId is null: every ingest makes another API",
		})
	} else {
		w.id = nameBased(env, integrationID, *in.uniqueID)
	}
	if w.subject == "" {
		w.subject = w.id
	}
	if a.features.legacy { // integration-api 1.0.1 knows neither of them, and no file name
		w.in.metadata = nil
		w.in.plans = slices.Clone(in.plans)
		for i := range w.in.plans {
			w.in.plans[i].characteristics = nil
		}
		w.in.pages = slices.Clone(in.pages)
		for i := range w.in.pages {
			w.in.pages[i].filename = in.name
		}
	}
	return w
}

// store writes the API, its plans and its pages, in that order; each step that was done stays.
func (w *write) store() error {
	if err := w.storeAPI(); err != nil {
		return err
	}
	if err := w.storePlans(); err != nil {
		return err
	}
	if !w.created && w.apim.features.planRemoval {
		if err := w.removePlans(); err != nil {
			return err
		}
	}
	return w.storePages()
}

func (w *write) storeAPI() error {
	if w.in.name == nil {
		return errors.New("name is null")
	}
	a := w.apim
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	api, ok := a.store.apis[w.id]
	if !ok {
		w.created = true
		api = &API{
			ID: w.id, IntegrationID: w.owner, CreatedAt: now, owner: w.owning,
			Lifecycle: LifecycleCreated, Visibility: "PRIVATE",
		}
		a.store.apis[w.id] = api
		a.store.apiOrder = append(a.store.apiOrder, w.id)
	}
	if w.api = api; api.Lifecycle == LifecycleDeprecated || api.Lifecycle == LifecycleArchived {
		return fmt.Errorf("the lifecycle state %s is not allowed to change", api.Lifecycle)
	}
	if w.in.uniqueID != nil {
		api.UniqueID = *w.in.uniqueID
	}
	api.ProviderID, api.Name, api.Version = w.in.id, *w.in.name, or(w.in.version, defaultVersion)
	api.Description, api.Type, api.ConnectionDetails = w.in.description, w.in.kind, w.in.connectionDetails
	api.UpdatedAt = now
	api.Writes++
	return nil
}

func (w *write) storePlans() error {
	a := w.apim
	w.plans = map[string]bool{}
	for _, in := range w.in.plans {
		plan, err := w.plan(in)
		if err != nil {
			return err
		}
		if w.plans[plan.ID] {
			return fmt.Errorf("plan id %s occurs twice", plan.ProviderID)
		}
		w.plans[plan.ID] = true
		a.mu.Lock()
		api := w.api
		if i := slices.IndexFunc(api.Plans, func(p Plan) bool { return p.ID == plan.ID }); i >= 0 {
			api.Plans[i] = plan
		} else {
			api.Plans = append(api.Plans, plan)
		}
		a.mu.Unlock()
	}
	return nil
}

func (w *write) plan(in inPlan) (Plan, error) {
	a := w.apim
	if in.security == "" {
		return Plan{}, errors.New("planSecurityType of a plan is null")
	}
	if in.name == nil {
		return Plan{}, errors.New("name of a plan is null")
	}
	plan := Plan{
		Name: *in.name, Description: in.description, Security: in.security, Characteristics: in.characteristics,
		Status: PlanPublished, Validation: ValidationManual,
	}
	if in.id == nil {
		plan.ID = a.newID()
		a.problem(Problem{
			Code: ProblemRandomIdentity, Integration: w.owner, Subject: w.subject + " plan " + plan.Name,
			Detail: "plan id is null: every ingest makes another plan",
		})
	} else {
		plan.ProviderID, plan.ID = *in.id, nameBased(w.id, *in.id)
	}
	if err := a.fits("plan name", plan.Name, maxPlanName); err != nil {
		return Plan{}, err
	}
	for _, c := range in.characteristics {
		if err := a.fits("characteristic", c, maxCharacteristic); err != nil {
			return Plan{}, err
		}
	}
	return plan, nil
}

// removePlans deletes the plans that this INGEST lacks. ACCEPTED subscriptions are given back to the
// agent first, on the channel the INGEST came by and before it is answered; one that fails aborts the
// ingest and keeps its plan.
func (w *write) removePlans() error {
	a := w.apim
	a.mu.Lock()
	plans := slices.Clone(w.api.Plans)
	a.mu.Unlock()
	for _, plan := range plans {
		if w.plans[plan.ID] {
			continue
		}
		if err := w.removePlan(plan); err != nil {
			return &abortError{fmt.Errorf("deleting plan %s of API %s: %w", plan.ProviderID, w.subject, err)}
		}
	}
	return nil
}

func (w *write) removePlan(plan Plan) error {
	a := w.apim
	for _, sub := range a.Subscriptions() {
		if sub.PlanID != plan.ID || sub.Status != SubscriptionAccepted {
			continue
		}
		if err := a.giveBack(a.ctx, sub, w.session); err != nil {
			return err
		}
	}
	a.mu.Lock()
	api := w.api
	api.Plans = slices.DeleteFunc(api.Plans, func(p Plan) bool { return p.ID == plan.ID })
	lost := 0
	for _, sub := range a.store.subs {
		if sub.PlanID == plan.ID && sub.Status != SubscriptionDeleted {
			sub.Status = SubscriptionDeleted
			lost++
		}
	}
	a.mu.Unlock()
	a.problem(Problem{
		Code: ProblemPlanDeleted, Integration: w.owner, Subject: w.subject + " plan " + plan.ProviderID,
		Detail: fmt.Sprintf("%d subscriptions went with it", lost),
	})
	return nil
}
