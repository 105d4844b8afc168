package keys

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"federation-agent/internal/federation"
	"federation-agent/internal/table/tablesim"
	"federation-agent/messages"
)

// aways are the ways in which the table is away.
var aways = map[string]tablesim.Fault{
	"throttled": tablesim.Throttled, "lost before": tablesim.LostBefore, "lost after": tablesim.LostAfter,
	"slow": tablesim.Slow, "unreachable": tablesim.Unreachable, "denied": tablesim.Denied, "missing": tablesim.Missing,
}

const (
	// awayFor is long enough for another process to take over.
	awayFor = longEnough + 15*time.Second
	// healed is when all that is owed was paid.
	healed = 2*owedCap + sweepEvery
)

// inEachAway runs a test for each way in which the table is away, for a alone and for all.
func inEachAway(t *testing.T, test func(p *pair, away func(), back func())) {
	t.Helper()
	for name, fault := range aways {
		for _, alone := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, for one alone %t", name, alone), func(t *testing.T) {
				inPair(t, func(p *pair) {
					test(p, func() {
						p.fail(func(c tablesim.Call) tablesim.Fault {
							if c.Client == "b" && alone || c.Client == "x" {
								return tablesim.None
							}
							return fault
						})
					}, func() { p.fail(nil) })
				})
			})
		}
	}
}

// wantTableNamed wants an ERROR that names the table and the setting.
func (p *pair) wantTableNamed(reply messages.Reply) {
	p.t.Helper()
	if refused, is := reply.(messages.Refused); !is || !strings.Contains(refused.Reason, "agent.store.table.name") {
		p.t.Errorf("it was answered %+v", reply)
	}
}

func TestASubscribeWhileTheTableIsAwayIsRefusedInTime(t *testing.T) {
	inEachAway(t, func(p *pair, away, back func()) {
		away()
		for _, after := range []time.Duration{0, time.Minute} { // with the lease, and without it
			time.Sleep(after)
			began := time.Now()
			p.a.subscribe("c")
			reply, _ := p.a.answer()
			p.wantTableNamed(reply)
			if took := time.Since(began); took > 15*time.Second {
				p.t.Errorf("it was answered after %s", took)
			}
		}
		p.want("[]", "[]")
		back()
		time.Sleep(healed)
		p.want("[]", "[]")
		p.a.subscribe("c3")
		_, asks := p.a.answer()
		p.a.tell(asks, messages.Delivered)
		time.Sleep(time.Second)
		p.want("[key-1]", "[delivered]")
	})
}

// A hiccup rejects nobody.
func TestASubscribeWaitsForATableThatIsBackSoon(t *testing.T) {
	for name, fault := range aways {
		if fault == tablesim.Denied || fault == tablesim.Missing {
			continue // nobody mends that within seconds
		}
		t.Run(name, func(t *testing.T) {
			inPair(t, func(p *pair) {
				p.fail(func(tablesim.Call) tablesim.Fault { return fault })
				p.a.subscribe("c")
				time.Sleep(4 * time.Second)
				p.fail(nil)
				reply, asks := p.a.answer()
				if isRefused(reply) {
					t.Errorf("it was answered %+v", reply)
				}
				p.a.tell(asks, messages.Delivered)
				time.Sleep(time.Second)
				p.want("[key-1]", "[delivered]")
			})
		})
	}
}

// The table goes away before each write of a SUBSCRIBE, and comes back.
func TestATableThatGoesAwayWhileAKeyIsMadeLosesNoKey(t *testing.T) {
	for write := writeIntent; write <= writeDelivered; write++ {
		t.Run(fmt.Sprint("write ", write), func(t *testing.T) {
			inEachAway(t, func(p *pair, away, back func()) {
				p.hold = func(n int) {
					if n == write {
						away()
					}
				}
				p.a.subscribe("c")
				reply, asks := p.a.answer()
				keysThen, journalThen := "[]", "[]"
				if write == writeDelivered {
					p.a.tell(asks, messages.Delivered)
					keysThen, journalThen = "[key-1]", "[delivered]"
				} else {
					p.wantTableNamed(reply)
				}
				time.Sleep(awayFor)
				if got := p.aws.there(); got != keysThen {
					p.t.Errorf("while it is away AWS has %s, want %s", got, keysThen)
				}
				back()
				time.Sleep(healed)
				p.want(keysThen, journalThen)
			})
		})
	}
}

func TestWhatBecomesOfAnAnswerCountsThoughTheTableIsAway(t *testing.T) {
	for fate, want := range map[messages.Delivery]struct{ keys, journal string }{
		messages.Delivered: {"[key-1]", "[delivered]"},
		messages.Unproved:  {"[key-1]", "[unconfirmed]"},
		messages.NeverSent: {"[]", "[]"},
	} {
		t.Run(fate.String(), func(t *testing.T) {
			inEachAway(t, func(p *pair, away, back func()) {
				p.a.subscribe("c")
				_, asks := p.a.answer()
				away()
				p.a.tell(asks, fate)
				time.Sleep(awayFor)
				back()
				time.Sleep(healed)
				p.want(want.keys, want.journal)
			})
		})
	}
}

// metadataOfTheFirst are APIM's for the first key that is made.
var metadataOfTheFirst = federation.KeyRef{
	Target: federation.Target{Account: place.Account, Region: place.Region}, UsagePlanID: "p", KeyID: "key-1",
}.Metadata()

// made makes a key that APIM has.
func (p *pair) made() {
	p.a.subscribe("c0")
	_, asks := p.a.answer()
	p.a.tell(asks, messages.Delivered)
	time.Sleep(time.Second)
	p.want("[key-1]", "[delivered]")
}

func (p *process) unsubscribe(metadata map[string]string) {
	p.give(messages.Unsubscribe{
		CommandRef:     messages.CommandRef{ID: "c9", AnswerBy: time.Now().Add(messages.AnswerWithin)},
		SubscriptionID: "s", APIID: theAPIsID, Metadata: metadata,
	})
}

func TestAnUnsubscribeWhileTheTableIsAwayDeletesTheKeyThatAPIMNames(t *testing.T) {
	inEachAway(t, func(p *pair, away, back func()) {
		p.made()
		away()
		began := time.Now()
		p.a.unsubscribe(metadataOfTheFirst)
		if reply, _ := p.a.answer(); reply != (messages.Unsubscribed{}) || time.Since(began) > 30*time.Second {
			p.t.Errorf("after %s: %+v", time.Since(began), reply)
		}
		if got := p.aws.there(); got != "[]" {
			p.t.Errorf("AWS has %s", got)
		}
		time.Sleep(awayFor)
		back()
		time.Sleep(healed)
		p.want("[]", "[]")
	})
}

// What APIM does not name may have been made by a SUBSCRIBE of which it does not know. It goes once the journal is back.
func TestAnUnsubscribeWhileTheTableIsAwayEndsTheOtherKeysLater(t *testing.T) {
	inEachAway(t, func(p *pair, away, back func()) {
		p.made()
		p.a.subscribe("c1")
		_, asks := p.a.answer()
		p.a.tell(asks, messages.Unproved)
		time.Sleep(time.Second)
		away()
		p.a.unsubscribe(metadataOfTheFirst)
		if reply, _ := p.a.answer(); reply != (messages.Unsubscribed{}) {
			p.t.Errorf("%+v", reply)
		}
		time.Sleep(awayFor)
		back()
		time.Sleep(healed)
		p.want("[]", "[]")
	})
}

// APIM's metadata keep the first key of a subscription that was accepted again. If that is gone, only the journal knows
// the one that has taken its place.
func TestAnUnsubscribeWhileTheTableIsAwayIsRefusedIfTheKeyThatAPIMNamesIsGone(t *testing.T) {
	inEachAway(t, func(p *pair, away, back func()) {
		p.made()
		p.a.subscribe("c1")
		_, asks := p.a.answer()
		p.a.tell(asks, messages.Delivered)
		time.Sleep(time.Second)
		p.want("[key-2]", "[delivered]")
		away()
		p.a.unsubscribe(metadataOfTheFirst)
		reply, _ := p.a.answer()
		p.wantTableNamed(reply)
		back()
		time.Sleep(healed)
		p.a.unsubscribe(metadataOfTheFirst)
		if reply, _ := p.a.answer(); reply != (messages.Unsubscribed{}) {
			p.t.Errorf("%+v", reply)
		}
		p.want("[]", "[]")
	})
}

// Its process hears that the other one is gone, and cannot read what that one has left until it must answer.
func TestASubscribeBesideAProcessThatIsGoneIsRefusedInTimeThoughItsEntryCannotBeRead(t *testing.T) {
	inPair(t, func(p *pair) {
		p.aws.creating = func() { <-p.a.env.Life.Done() } // b's, for ever
		p.b.subscribe("c0")
		time.Sleep(time.Second)
		p.a.subscribe("c1")
		began := time.Now()
		time.Sleep(time.Second)
		p.b.frozen.Store(true)
		p.fail(func(c tablesim.Call) tablesim.Fault {
			if c.Client == "a" && c.Key.Partition == "keys" {
				return tablesim.Unreachable
			}
			return tablesim.None
		})
		reply, _ := p.a.answer()
		if refused, is := reply.(messages.Refused); !is || time.Since(began) > messages.AnswerWithin {
			t.Errorf("after %s: %+v (%+v)", time.Since(began), reply, refused)
		}
		p.fail(nil)
		time.Sleep(longEnough)
		p.want("[]", "[lost-create]")
	})
}

func TestAnUnsubscribeThatNamesNoKeyWaitsForTheTable(t *testing.T) {
	inEachAway(t, func(p *pair, away, back func()) {
		p.made()
		away()
		p.a.unsubscribe(nil)
		reply, _ := p.a.answer()
		p.wantTableNamed(reply)
		back()
		time.Sleep(healed)
		p.want("[key-1]", "[delivered]")
		p.a.unsubscribe(nil)
		if reply, _ := p.a.answer(); reply != (messages.Unsubscribed{}) {
			p.t.Errorf("%+v", reply)
		}
		p.want("[]", "[]")
	})
}
