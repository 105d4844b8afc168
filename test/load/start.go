package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"federation-agent/internal/sandbox/awssim"
	"federation-agent/test/process"
)

const (
	startBar = 150 * time.Millisecond
	idleBar  = 32 * mib
)

// startFigures are what was measured of one kind of process.
type startFigures struct {
	starts    []time.Duration
	residents []int64
}

// measureStart starts processes one after the other, each until APIM has answered its HELLO and it has
// been idle for a while.
func measureStart(ctx context.Context, r *rig) ([]table, error) {
	s, err := r.startStandIns(ctx, standInSpec{
		Estate: awssim.UniformOptions{APIs: 10, StagesPerAPI: 1, Plans: 1}, Scale: 1, LatencyDivisor: 1,
		Integrations: []string{"ours", "theirs"},
	}, -1)
	if err != nil {
		return nil, err
	}
	defer s.Close()

	ours, err := r.repeatStart(ctx, s, "ours", pick(r, 10, 3), func(dir string) (*program, error) {
		return r.startAgent(s, agentSpec{name: "start", integration: "ours", cpu: -1})
	})
	if err != nil {
		return nil, err
	}
	t := measures(
		"Start and idle memory, whole process, the median (worst) of " + fmt.Sprint(len(ours.starts)) + " starts",
	)
	t.row("start to HELLO answered", middleAndWorst(ours.starts), "≤ 150 ms", middle(ours.starts) <= startBar)
	t.row("resident when idle (VmRSS)",
		fmt.Sprintf("%s (%s)", inMiB(middle(ours.residents)), inMiB(slices.Max(ours.residents))),
		"≤ 32 MiB", middle(ours.residents) <= idleBar)

	java, err := connectorCommand(ctx)
	if err != nil {
		// Side by side is the bar: a run that lacks Maven or a JDK has not shown it.
		t.row("the vendor's connector 1.9.1 in a JVM", "not measured: see below", "measured beside", false)
		return []table{t},
			fmt.Errorf("the vendor's connector is not measured (it needs Maven, JDK 17 and their network): %w", err)
	}
	theirs, err := r.repeatStart(ctx, s, "theirs", pick(r, 5, 1), func(dir string) (*program, error) {
		return start(exec.Command(java[0], append(java[1:], string(s.APIM), "theirs")...), dir)
	})
	if err != nil {
		return []table{t}, err
	}
	t.told("the vendor's connector 1.9.1 alone, JDK 17: start to HELLO answered", middleAndWorst(theirs.starts))
	t.told("the same: resident when idle (VmRSS)",
		fmt.Sprintf("%s (%s)", inMiB(middle(theirs.residents)), inMiB(slices.Max(theirs.residents))))
	return []table{t}, nil
}

func (r *rig) repeatStart(
	ctx context.Context, s *standIns, integration string, times int, launch func(dir string) (*program, error),
) (startFigures, error) {
	var f startFigures
	for range times {
		dir, err := r.folder(integration)
		if err != nil {
			return f, err
		}
		p, err := launch(dir)
		if err != nil {
			return f, err
		}
		at, err := s.awaitAgent(ctx, integration, p.Started)
		if err == nil {
			f.starts = append(f.starts, at.Sub(p.Started))
			err = process.Sleep(ctx, pick(r, 10*time.Second, 3*time.Second))
		}
		if err == nil {
			var idle process.Memory
			idle, err = p.Memory()
			f.residents = append(f.residents, idle.Resident)
		}
		p.stop()
		if err != nil {
			return f, err
		}
		if err := s.awaitNobody(ctx); err != nil {
			return f, err
		}
	}
	return f, nil
}

// awaitNobody waits until APIM has noticed that the last agent is gone.
func (c client) awaitNobody(ctx context.Context) error {
	return process.Await(ctx, connectWithin, "the last agent to be gone", func(ctx context.Context) (bool, error) {
		agents, err := c.Agents(ctx)
		return len(agents) == 0, err
	})
}

// connectorCommand builds the vendor's connector and gives the command that starts it.
func connectorCommand(ctx context.Context) ([]string, error) {
	project, err := filepath.Abs(filepath.Join("test", "load", "connector"))
	if err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "mvn", "-q", "-B", "compile")
	build.Dir = project
	if output, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building it with Maven: %w %s", err, output)
	}
	return classpathCommand(project)
}
