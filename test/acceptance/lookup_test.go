package acceptance

import (
	"strings"
	"testing"
	"time"

	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/world"
)

// lookup lets the agent look for keys.
var lookup = map[string]string{"gravitee_agent_keys_lookup": "true"}

// mayLook is an estate whose roles and users have the optional grant, too.
func mayLook(t *testing.T) awssim.Estate {
	t.Helper()
	policy, err := awssim.MinimumPolicy()
	if err != nil {
		t.Fatal(err)
	}
	policy.Statement = append(policy.Statement, awssim.Statement{
		Effect: awssim.EffectAllow, Action: awssim.Strings{"apigateway:GET"},
		Resource: awssim.Strings{"arn:aws:apigateway:*::/apikeys"},
	})
	e := estate(1, "eu-west-1")
	for _, a := range e.Accounts {
		a.Principals[0].Policy = policy
	}
	return e
}

// lostCreate has an agent lose the answer to a CreateApiKey; fault says whether the key was made.
func lostCreate(t *testing.T, w *world.World, settings map[string]string, fault awssim.FaultKind) *world.Instance {
	t.Helper()
	agent := w.StartAgentWith(world.AgentOptions{Settings: settings})
	w.Await("the agent to be connected", func() bool { return len(w.APIM.Agents()) > 0 })
	w.Ingest()
	w.AWS.Script().Add(awssim.Rule{Operation: awssim.OpCreateAPIKey, Fault: awssim.Of(fault), Times: 1})
	subscribe(w, w.APIM.APIs()[0])
	pass(time.Second)
	return agent
}

// looks is how often AWS was asked for keys.
func looks(w *world.World) (n int) {
	for _, c := range w.AWS.Calls(0) {
		if c.Operation == awssim.OpGetAPIKeys {
			n++
		}
	}
	return n
}

func TestALostCreateIsFoundDeletedAndSettledOnlyWhereThatIsAllowed(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		fault    awssim.FaultKind
		keys     int
		then     keys.State
		looks    int
	}{
		"it was made":        {lookup, awssim.FaultLoseAnswer, 0, "", 3},
		"it was not made":    {lookup, awssim.FaultCloseBefore, 0, "", 3},
		"the setting is off": {nil, awssim.FaultLoseAnswer, 1, keys.LostCreate, 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := world.Options{AWS: awssim.Options{Estate: mayLook(t)}}
			run(t, o, func(t *testing.T, w *world.World) {
				agent := lostCreate(t, w, c.settings, c.fault)
				level, says := "level=ERROR", "look for it by its name in the API Gateway console"
				if c.looks > 0 {
					level, says = "level=WARN", "a key that opens nothing; the agent looks for it by its name"
				}
				if !w.Log.Has(level, "the answer to CreateApiKey was lost", says) {
					t.Error("the log does not say who looks for it")
				}
				pass(time.Hour)
				if c.looks > 0 && len(journal(t, agent)) != 1 {
					t.Error("it was settled before AWS's lists could be up to date")
				}
				agent.Crash()
				next := w.StartAgentWith(world.AgentOptions{Settings: c.settings})
				pass(time.Second)
				if said := w.Log.Has(next.Name, "that need attention"); said != (c.looks == 0) {
					t.Errorf("the next start asks for somebody: %t", said)
				}
				pass(48 * time.Hour)
				leaves(t, w, next, c.keys, c.then)
				if n := looks(w); n != c.looks {
					t.Errorf("%d looks, want %d", n, c.looks)
				}
			})
		})
	}
}

// A second agent, with a journal of its own, has a key of the same name in use: the subscription came to both.
func TestALookTakesNoKeyOfAnotherAgentAway(t *testing.T) {
	run(t, world.Options{AWS: awssim.Options{Estate: mayLook(t)}}, func(t *testing.T, w *world.World) {
		agent := lostCreate(t, w, lookup, awssim.FaultLoseAnswer)
		ours := w.AWS.Keys()[0]
		theirs, err := w.AWS.AddKey(uniform(), ours.Name, "Made by the Gravitee federation agent for subscription s, making other")
		if err != nil {
			t.Fatal(err)
		}
		pass(3 * time.Hour)
		leaves(t, w, agent, 1, "")
		if left := w.AWS.Keys(); len(left) != 1 || left[0].ID != theirs {
			t.Errorf("left: %+v", left)
		}
	})
}

func TestAnUnconfirmedKeyThatSomebodyDeletesIsSettledAndOneThatIsThereStays(t *testing.T) {
	for name, isThere := range map[string]bool{"deleted by hand": false, "there": true} {
		t.Run(name, func(t *testing.T) {
			run(t, world.Options{AWS: awssim.Options{Estate: mayLook(t)}}, func(t *testing.T, w *world.World) {
				agent := unconfirmed(t, w, lookup)
				pass(25 * time.Hour)
				leaves(t, w, agent, 1, keys.Unconfirmed)
				if isThere {
					pass(10 * 24 * time.Hour)
					leaves(t, w, agent, 1, keys.Unconfirmed)
					if n := looks(w); n != 11 {
						t.Errorf("%d looks in 11 days", n)
					}
					return
				}
				if err := w.AWS.RemoveKey(uniform(), w.AWS.Keys()[0].ID); err != nil {
					t.Fatal(err)
				}
				pass(26 * time.Hour)
				leaves(t, w, agent, 0, "")
			})
		})
	}
}

func TestALookThatIsNotAllowedIsSaidAndTriedSeldom(t *testing.T) {
	run(t, world.Options{AWS: awssim.Options{Estate: estate(1, "eu-west-1")}}, func(t *testing.T, w *world.World) {
		agent := lostCreate(t, w, lookup, awssim.FaultLoseAnswer)
		pass(2 * time.Hour)
		leaves(t, w, agent, 1, keys.LostCreate)
		if n := looks(w); n < 2 || n > 12 {
			t.Errorf("%d looks in two hours", n)
		}
		const permission = "apigateway:GET on arn:aws:apigateway:eu-west-1::/apikeys"
		if !w.Log.Has(agent.Name, "level=ERROR", "agent.keys.lookup", permission) {
			t.Error("the log does not name the permission")
		}
		if n := w.Log.Count("cannot look for API keys by their name"); n > 14 { // one in ten minutes, and the first two
			t.Errorf("%d lines in two hours", n)
		}
		if why := onlyRecord(t, agent).LastError; !strings.Contains(why, permission) {
			t.Errorf("the journal says %q", why)
		}
		agent.Crash()
		next := w.StartAgentWith(world.AgentOptions{Settings: lookup})
		pass(time.Second)
		if !w.Log.Has(next.Name, "that need attention: the agent could not look for it by its name", permission) {
			t.Error("the next start does not say why it needs somebody")
		}
	})
}
