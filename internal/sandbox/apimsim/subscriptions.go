package apimsim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"federation-agent/internal/secret"
)

// Types of subscriptions on the wire.
const (
	SubscriptionAPIKey = "API_KEY"
	SubscriptionOAuth  = "OAUTH"
	SubscriptionJWT    = "JWT"
)

// routingMark is what a metadata key must contain to be given back at subscribe time from 4.9 on.
const routingMark = "aws-api-gateway"

// Subscribe subscribes an application, by name, to a plan. apiID and planID are APIM's ids or the
// agent's own. An empty type follows from the plan. The subscription is returned whatever becomes of
// it: REJECTED is no error here, only an API or plan that does not exist is.
func (a *APIM) Subscribe(
	ctx context.Context, apiID, planID, application, subscriptionType string,
) (Subscription, error) {
	sub, asked, err := a.pend(apiID, planID, application, subscriptionType)
	if err != nil {
		return Subscription{}, err
	}
	out, _ := a.accept(ctx, a.opts.Route, sub, asked)
	return out, nil
}

// AcceptTwice is Subscribe where a second person accepts gap after the first, or a proxy repeats the request: APIM looks
// at the status only before it sends, so SUBSCRIBE goes out twice, by these two routes. Whichever answer comes first
// decides. It returns both, in the order of the routes: nil is a key, [ErrNotPending] a second that came too late.
func (a *APIM) AcceptTwice(
	ctx context.Context, apiID, planID, application string, first, second Route, gap time.Duration,
) (Subscription, [2]error, error) {
	var answers [2]error
	sub, asked, err := a.pend(apiID, planID, application, "")
	if err != nil {
		return Subscription{}, answers, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		answers[1] = ErrNotPending
		if a.pause(gap, ctx.Done()) && a.isPending(sub) {
			_, answers[1] = a.accept(ctx, second, sub, asked)
		}
	}()
	_, answers[0] = a.accept(ctx, first, sub, asked)
	<-done
	a.mu.Lock()
	defer a.mu.Unlock()
	return sub.clone(), answers, nil
}

func (a *APIM) isPending(sub *Subscription) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return sub.Status == SubscriptionPending
}

// pend stores a subscription that is to be accepted, and makes the command that asks for its key.
func (a *APIM) pend(apiID, planID, application, subscriptionType string) (*Subscription, command, error) {
	id := a.newID()
	a.mu.Lock()
	defer a.mu.Unlock()
	api, err := a.store.findAPI(apiID)
	if err != nil {
		return nil, command{}, err
	}
	plan := api.plan(planID)
	if plan == nil {
		return nil, command{}, fmt.Errorf("plan %s of API %s: %w", planID, apiID, ErrNotFound)
	}
	sub := &Subscription{
		ID: id, IntegrationID: api.IntegrationID, APIID: api.ID, PlanID: plan.ID,
		ApplicationID: nameBased("application", application), ApplicationName: application,
		Type:   or(subscriptionType, typeOfPlan(plan.Security)),
		Status: SubscriptionPending, CreatedAt: time.Now(),
	}
	a.store.addSubscription(sub)
	payload := subscriptionPayload{APIID: api.ProviderID, Subscription: outSubscription{
		ID: id, ApplicationID: sub.ApplicationID, ApplicationName: application, Type: sub.Type,
		Metadata: a.subscribeMetadata(api, plan, sub),
	}}
	if a.features.legacy {
		payload.Subscription.ApplicationID = ""
	}
	return sub, command{kind: typeSubscribe, subject: id, payload: payload}, nil
}

// accept asks for the key, and takes the answer. It returns that, too.
func (a *APIM) accept(ctx context.Context, route Route, sub *Subscription, asked command) (Subscription, error) {
	reply, err := a.requestBy(ctx, route, sub.IntegrationID, asked)
	var answer inSubscription
	if err == nil {
		answer, err = a.readAnswer(reply)
	}
	return a.settle(sub, answer, err), err
}

func typeOfPlan(security string) string {
	if security == "OAUTH2" {
		return SubscriptionOAuth
	}
	return security
}

// subscribeMetadata merges what SUBSCRIBE carries, later wins: connectionDetails, from 4.9 on the
// API's routing metadata, the plan's id, for OAUTH the client. 4.4 sends the plan's id alone.
func (a *APIM) subscribeMetadata(api *API, plan *Plan, sub *Subscription) map[string]string {
	out := map[string]string{}
	if !a.features.legacy {
		maps.Copy(out, api.ConnectionDetails)
	}
	if a.features.routingMetadata {
		for _, m := range api.Metadata {
			if strings.Contains(m.Key, routingMark) {
				out[m.Key] = m.Value
			}
		}
	}
	out["planId"] = plan.ProviderID
	if sub.Type == SubscriptionOAuth {
		out["consumerKey"] = sub.ApplicationID
	}
	return out
}

func (a *APIM) readAnswer(reply Reply) (inSubscription, error) {
	p, err := decode(reply)
	if err != nil {
		return inSubscription{}, err
	}
	answer := readSubscription(p)
	if !answer.present {
		return inSubscription{}, fmt.Errorf("%s: %w: subscription is null", typeSubscribe, ErrBadReply)
	}
	return answer, nil
}

// settle accepts or rejects a subscription. Nobody undoes what a rejected one left behind in AWS.
func (a *APIM) settle(sub *Subscription, answer inSubscription, err error) Subscription {
	var problems []Problem
	note := func(code ProblemCode, detail string) {
		problems = append(problems, Problem{Code: code, Integration: sub.IntegrationID, Subject: sub.ID, Detail: detail})
	}
	if err == nil {
		if err = a.fits("API key", answer.apiKey, maxAPIKey); err != nil {
			note(ProblemKeyTooLong, err.Error())
		}
	}
	a.mu.Lock()
	switch {
	case sub.Status != SubscriptionPending:
		if err == nil {
			note(ProblemOrphanAnswer, "the subscription is "+sub.Status)
		}
	case err != nil:
		sub.Status, sub.Reason = SubscriptionRejected, err.Error()
		note(ProblemRejected, err.Error())
	default:
		sub.Status, sub.Metadata = SubscriptionAccepted, answer.metadata
		sub.APIKey = secret.New(answer.apiKey)
		if answer.apiKey == "" && sub.Type == SubscriptionAPIKey {
			note(ProblemNoKey, "")
		}
		for key, value := range answer.metadata {
			if answer.apiKey != "" && strings.Contains(value, answer.apiKey) {
				note(ProblemSecretShown, "metadata "+key+" shows the API key")
			}
		}
		if answer.id != "" && answer.id != sub.ID {
			note(ProblemStrayReply, "answered for subscription "+answer.id)
		}
	}
	out := sub.clone()
	a.mu.Unlock()
	for _, p := range problems {
		a.problem(p)
	}
	return out
}

// Unsubscribe closes an ACCEPTED subscription. When the agent answers ERROR or not at all, the
// subscription stays ACCEPTED and the error says why.
func (a *APIM) Unsubscribe(ctx context.Context, id string) error {
	a.mu.Lock()
	stored := a.store.subscription(id)
	if stored == nil {
		a.mu.Unlock()
		return fmt.Errorf("subscription %s: %w", id, ErrNotFound)
	}
	sub := stored.clone()
	a.mu.Unlock()
	if sub.Status != SubscriptionAccepted {
		return fmt.Errorf("subscription %s is %s: %w", id, sub.Status, ErrNotAccepted)
	}
	return a.giveBack(ctx, sub, nil)
}

// giveBack sends UNSUBSCRIBE, over the given session while it lives, and closes the subscription.
func (a *APIM) giveBack(ctx context.Context, sub Subscription, via *session) error {
	a.mu.Lock()
	metadata := map[string]string{}
	providerID := ""
	if api, ok := a.store.apis[sub.APIID]; ok {
		providerID = api.ProviderID
		if !a.features.legacy {
			maps.Copy(metadata, api.ConnectionDetails)
		}
	}
	maps.Copy(metadata, sub.Metadata)
	if sub.Type == SubscriptionOAuth {
		metadata["consumerKey"] = sub.ApplicationID
	}
	if via != nil && !via.registered {
		via = nil
	}
	a.mu.Unlock()

	c := command{kind: typeUnsubscribe, subject: sub.ID, payload: subscriptionPayload{
		APIID: providerID, Subscription: outSubscription{ID: sub.ID, Metadata: metadata},
	}}
	var err error
	if via != nil {
		_, err = accepted(a.sendTo(ctx, via, c))
	} else {
		_, err = a.request(ctx, sub.IntegrationID, c)
	}
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			a.problem(Problem{Code: ProblemUnsubscribe, Integration: sub.IntegrationID, Subject: sub.ID, Detail: err.Error()})
		}
		return fmt.Errorf("unsubscribing %s: %w", sub.ID, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if stored := a.store.subscription(sub.ID); stored != nil && stored.isActive() {
		stored.Status = SubscriptionClosed
	}
	return nil
}

// isActive reports whether the agent still has to end it. It is not told of a pause.
func (sub *Subscription) isActive() bool {
	return sub.Status == SubscriptionAccepted || sub.Status == SubscriptionPaused
}

// Pause pauses an ACCEPTED subscription, of which the agent hears nothing.
func (a *APIM) Pause(id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	sub := a.store.subscription(id)
	if sub == nil || sub.Status != SubscriptionAccepted {
		return fmt.Errorf("subscription %s: %w", id, ErrNotFound)
	}
	sub.Status = SubscriptionPaused
	return nil
}
