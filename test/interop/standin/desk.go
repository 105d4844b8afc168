package standin

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/test/interop/controller"
)

// desk takes INGESTs as the harness's does: keeps each one whole, tells of it, and answers as the rules say.
type desk struct {
	events *controller.EventLog

	mu    sync.Mutex
	rules []rule
	held  map[string]chan string
	whole map[string]json.RawMessage
}

type rule struct {
	controller.IngestRule
	used int
}

func (d *desk) setRules(rules []controller.IngestRule) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = make([]rule, len(rules))
	for i, r := range rules {
		d.rules[i].IngestRule = r
	}
}

// take decides on an INGEST. It is the stand-in's script, called by the goroutine that will answer: holding the
// answer back here holds back those behind it, too, as APIM handles one batch after the other.
func (d *desk) take(e apimsim.IngestEvent) apimsim.IngestFault {
	rule := d.ruleFor(e.APIIDs)
	var release chan string
	d.mu.Lock()
	d.whole[e.CommandID] = json.RawMessage(e.Command)
	if rule.Hold {
		release = make(chan string, 1)
		d.held[e.CommandID] = release
	}
	d.mu.Unlock()
	d.events.Add(controller.Event{Kind: controller.EventIngest, Connection: e.Upgrade, Ingest: controller.Ingest{
		CommandID: e.CommandID, JobID: e.JobID, APIIDs: e.APIIDs, Done: e.Done,
		Bytes: len(e.Command), Held: rule.Hold, Refused: rule.Error != "",
	}})
	if release != nil {
		return apimsim.IngestFault{Fail: <-release}
	}
	return apimsim.IngestFault{Fail: rule.Error, AnswerDelay: rule.Delay}
}

func (d *desk) ruleFor(apiIDs []string) controller.IngestRule {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.rules {
		r := &d.rules[i]
		if (r.Times == 0 || r.used < r.Times) && (r.APIID == "" || slices.Contains(apiIDs, r.APIID)) {
			r.used++
			return r.IngestRule
		}
	}
	return controller.IngestRule{}
}

func (d *desk) release(commandID, errorDetails string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	held, ok := d.held[commandID]
	if !ok {
		return fmt.Errorf("no INGEST %s is held", commandID)
	}
	delete(d.held, commandID)
	held <- errorDetails
	return nil
}

// close releases what is held, so that nothing waits for it.
func (d *desk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, held := range d.held {
		delete(d.held, id)
		held <- ""
	}
}

func (d *desk) command(commandID string) (json.RawMessage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	command, ok := d.whole[commandID]
	if !ok {
		return nil, fmt.Errorf("no INGEST %s was received", commandID)
	}
	return command, nil
}
