package target

import (
	"context"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
)

// identifyWithin bounds how long finding credentials and account may take.
const identifyWithin = 30 * time.Second

// identity makes one integration's credentials when they are first needed, and finds out their account. Targets start
// together, so STS is asked once for each role, and a role is assumed once for all regions. A failure is not kept: the
// next target asks with its own region. Parent: integration.
type identity struct {
	life.Scoped
	env     *life.Env
	options apigateway.CredentialsOptions

	credentials *apigateway.Credentials // nil until they could be made
	accounts    map[string]string       // by role
	waiting     map[string][]asker      // by role; STS is being asked for the first
}

type asker struct {
	pid *actor.PID
	identify
}

// IdentityProps makes the identity of an integration.
func IdentityProps(env *life.Env, options apigateway.CredentialsOptions) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		return &identity{env: env, options: options, accounts: map[string]string{}, waiting: map[string][]asker{}}
	})
}

type (
	// identify asks for credentials and their account: target -> identity. Account is set where it is known already.
	identify struct{ region, role, account string }
	// identified answers an identify.
	identified struct {
		credentials *apigateway.Credentials
		account     string
		err         error
	}
	// accountCame is what the identity tells itself: the answer for the first that waits.
	accountCame struct {
		role string
		identified
	}
)

// LogValue implements slog.LogValuer: a dead letter must not show credentials.
func (identified) LogValue() slog.Value { return slog.StringValue("credentials") }

func (i *identity) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
	case identify:
		i.onIdentify(ctx, m)
	case accountCame:
		i.onAccountCame(ctx, m)
	default:
		life.Unexpected(i.env, ctx)
	}
}

func (i *identity) onIdentify(ctx actor.Context, m identify) {
	if account := i.accounts[m.role]; account != "" {
		ctx.Respond(identified{credentials: i.credentials, account: account})
		return
	}
	i.waiting[m.role] = append(i.waiting[m.role], asker{pid: ctx.Sender(), identify: m})
	if len(i.waiting[m.role]) == 1 {
		i.ask(m)
	}
}

// ask finds credentials and account off the actor's own goroutine: files are read and STS is asked.
func (i *identity) ask(m identify) {
	credentials, options := i.credentials, i.options
	life.Pipe(i.Scope, func(ctx context.Context) (identified, error) {
		ctx, cancel := context.WithTimeout(ctx, identifyWithin)
		defer cancel()
		if credentials == nil {
			made, err := apigateway.NewCredentials(ctx, options)
			if err != nil {
				return identified{}, err
			}
			credentials = made
		}
		if m.account != "" {
			return identified{credentials: credentials, account: m.account}, nil
		}
		account, err := credentials.AccountID(ctx, m.region, m.role)
		return identified{credentials: credentials, account: account}, err
	}, func(found identified, err error) any {
		found.err = err
		return accountCame{role: m.role, identified: found}
	})
}

func (i *identity) onAccountCame(ctx actor.Context, m accountCame) {
	if i.credentials == nil {
		i.credentials = m.credentials
	}
	waiting := i.waiting[m.role]
	delete(i.waiting, m.role)
	if m.err != nil {
		ctx.Send(waiting[0].pid, m.identified)
		if waiting = waiting[1:]; len(waiting) > 0 {
			i.waiting[m.role] = waiting
			i.ask(waiting[0].identify)
		}
		return
	}
	i.accounts[m.role] = m.account
	for _, a := range waiting {
		ctx.Send(a.pid, identified{credentials: i.credentials, account: m.account})
	}
}
