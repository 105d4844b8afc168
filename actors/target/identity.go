package target

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"federation-agent/actors/life"
	"federation-agent/internal/apigateway"
	"federation-agent/internal/region"
	"federation-agent/internal/words"
)

// identifyWithin bounds how long finding credentials and account may take.
const identifyWithin = 30 * time.Second

// identity makes one integration's credentials when they are first needed, and finds out their account. Targets start
// together, so STS is asked once for each role, and a role is assumed once for all regions. A failure is not kept: the
// next target asks with its own region. Where regions are optional, it asks once a day which are enabled, once for each
// account. Parent: integration.
type identity struct {
	life.Scoped
	env     *life.Env
	options apigateway.CredentialsOptions

	credentials *apigateway.Credentials // nil until they could be made
	accounts    map[string]string       // by role
	waiting     map[question][]asker    // AWS is being asked for the first
	enabled     map[string]enabled      // by account

	optional int            // how many targets have optional regions
	tried    map[place]bool // those of them that are known, and whether they are on
	told     string         // what the log said of them
}

// question is what is asked once for all who want to know. Targets with optional regions ask for those, too, and the
// roles of one account together.
type question struct {
	of       string // role or account
	optional bool
}

// enabled are the regions that an account has enabled, as AWS told at a time; nil where it does not tell.
type enabled struct {
	regions []string
	at      time.Time
}

// tellsFor is how long an answer about regions counts. It is less than the day after which targets ask again.
const tellsFor = triedAgain - time.Hour

type place struct{ role, region string }

type asker struct {
	pid *actor.PID
	identify
}

// IdentityProps makes the identity of an integration, of whose targets so many have optional regions.
func IdentityProps(env *life.Env, options apigateway.CredentialsOptions, optional int) *actor.Props {
	return life.Props(env, life.Standing, func() actor.Actor {
		return &identity{
			env: env, options: options, accounts: map[string]string{}, waiting: map[question][]asker{},
			enabled: map[string]enabled{}, optional: optional, tried: map[place]bool{},
		}
	})
}

type (
	// identify asks for credentials and their account: target -> identity. Account is set where it is known already.
	// Optional asks for the enabled regions, too.
	identify struct {
		region, role, account string
		optional              bool
	}
	// identified answers an identify. Regions are nil where AWS does not tell, or was not asked.
	identified struct {
		credentials *apigateway.Credentials
		account     string
		regions     []string
		err         error
	}
	// accountCame is what the identity tells itself: the answer for the first that waits.
	accountCame struct {
		question
		identified
	}
	// tried tells whether an optional region is on: target -> identity.
	tried struct {
		place
		on bool
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
	case tried:
		i.onTried(m)
	default:
		life.Unexpected(i.env, ctx)
	}
}

func (i *identity) onIdentify(ctx actor.Context, m identify) {
	account := i.accounts[m.role]
	known := i.enabled[account]
	if account != "" && (!m.optional || !known.at.IsZero() && time.Since(known.at) < tellsFor) {
		ctx.Respond(identified{credentials: i.credentials, account: account, regions: known.regions})
		return
	}
	q := question{m.role, m.optional}
	if m.optional && m.account != "" {
		q.of = m.account
	}
	i.waiting[q] = append(i.waiting[q], asker{pid: ctx.Sender(), identify: m})
	if len(i.waiting[q]) == 1 {
		i.ask(q, m)
	}
}

// ask finds credentials and account off the actor's own goroutine: files are read and STS is asked.
func (i *identity) ask(q question, m identify) {
	if m.optional {
		m.region = region.PartitionOf(m.region).Home // the own one may be off
	}
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
		found := identified{credentials: credentials, account: m.account}
		var err error
		if found.account == "" {
			found.account, err = credentials.AccountID(ctx, m.region, m.role)
		}
		if err == nil && m.optional {
			found.regions, err = credentials.EnabledRegions(ctx, region.PartitionOf(m.region), m.role)
		}
		return found, err
	}, func(found identified, err error) any {
		found.err = err
		return accountCame{question: q, identified: found}
	})
}

func (i *identity) onAccountCame(ctx actor.Context, m accountCame) {
	if i.credentials == nil {
		i.credentials = m.credentials
	}
	waiting := i.waiting[m.question]
	delete(i.waiting, m.question)
	if m.err == nil && m.optional {
		i.enabled[m.account] = enabled{regions: m.regions, at: time.Now()}
	}
	first := waiting[0]
	for n, a := range waiting {
		// The next one asks in its own region, or with its own role.
		if m.err != nil && n > 0 && (!m.optional || a.role != first.role) {
			i.waiting[m.question] = append(i.waiting[m.question], a)
			continue
		}
		if m.err == nil {
			i.accounts[a.role] = m.account
		}
		ctx.Send(a.pid, m.identified)
	}
	if left := i.waiting[m.question]; len(left) > 0 {
		i.ask(m.question, left[0].identify)
	}
}

// onTried tells of all optional regions in one line, once each is known, and again when that changes.
func (i *identity) onTried(m tried) {
	i.tried[m.place] = m.on
	if len(i.tried) < i.optional {
		return
	}
	var off []string
	for place, on := range i.tried {
		if !on {
			off = append(off, words.Place(apigateway.AccountOfRole(place.role), place.region))
		}
	}
	slices.Sort(off)
	if said := "off: " + strings.Join(off, " "); said != i.told {
		i.told = said
		i.env.Log.Info("regions that are off for their account are left alone, and looked at again once a day",
			life.LogRegionsOn, i.optional-len(off), life.LogRegionsOff, len(off), life.LogTargets, words.Few(off, words.Many, ", "))
	}
}
