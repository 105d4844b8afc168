package keys

import (
	"fmt"
	"testing"
	"testing/synctest"

	"federation-agent/internal/table/tablesim"
	"federation-agent/messages"
)

// docs/performance.md tells what these calls cost; internal/store/tablestore counts their units with ids of real length.
func TestASubscribesCallsOfTheTable(t *testing.T) {
	inPair(t, func(p *pair) {
		calls := map[tablesim.Op]int{}
		synctest.Wait()
		from := len(p.model.Calls())
		p.a.subscribe("c1")
		_, fate := p.a.answer()
		p.a.tell(fate, messages.Delivered)
		synctest.Wait()
		for _, c := range p.model.Calls()[from:] {
			if c.Key.Partition == "keys" {
				calls[c.Op]++
			}
		}
		if got := fmt.Sprint(calls); got != "map[Get:2 Update:6]" {
			t.Errorf("%s", got)
		}
		p.want("[key-1]", "[delivered]")
	})
}
