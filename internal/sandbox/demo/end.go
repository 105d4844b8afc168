package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
)

// Census says in one line what the estate held at the start.
func (s *Sandbox) Census() string { return take(s.options.Estate).String() }

// End ends the agent by drain and adds how that went to the summary: its session has to be closed as a
// websocket is closed in order. An agent that has ended already is no failure of this step.
func End(summary Summary, s *Sandbox, drain func() error, n *Narrator) Summary {
	began := time.Now()
	connected := len(s.APIM.Agents()) > 0
	err := drain()
	if err == nil && connected {
		err = closedInOrder(s)
	}
	step := Step{
		Name: "End", Detail: "the agent closed its session in order", OK: err == nil, Seconds: time.Since(began).Seconds(),
	}
	if err != nil {
		step.Detail = err.Error()
		if summary.OK {
			summary.OK, summary.Failure = false, "End: "+step.Detail
		}
	}
	summary.Steps = append(summary.Steps, step)
	n.Step(step)
	return summary
}

// noticeWithin bounds how long APIM may take to notice that a session is closed.
const noticeWithin = 5 * time.Second

// closedInOrder looks at the last session, once APIM has noticed that it is over.
func closedInOrder(s *Sandbox) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), noticeWithin,
		errors.New("the agent ended, but its session is still open"))
	defer cancel()
	err := s.Await(ctx, func() bool { return len(s.APIM.Agents()) == 0 && len(s.APIM.EndedSessions()) > 0 })
	if err != nil {
		return err
	}
	ended := s.APIM.EndedSessions()
	if last := ended[len(ended)-1]; last.Code != websocket.CloseNormalClosure {
		return fmt.Errorf("the agent's session ended with close code %d %s", last.Code, last.Text)
	}
	return nil
}
