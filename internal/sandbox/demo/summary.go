package demo

import (
	"slices"
	"time"

	"federation-agent/internal/sandbox/awssim"
)

// Summary is how a demonstration went.
type Summary struct {
	OK bool `json:"ok"`
	// Failure says which step failed, and why; empty if none did.
	Failure string `json:"failure,omitempty"`
	// Interrupted is whether that step failed only because somebody ended the demonstration.
	Interrupted bool `json:"interrupted,omitempty"`
	// APIMVersion is the version of APIM that was played.
	APIMVersion string `json:"apimVersion,omitempty"`
	// QuotaScale tells how much faster than AWS the stand-in was; 1 is honest, 0 is without any quota.
	QuotaScale float64 `json:"quotaScale"`
	// Stages is how many there are, Expected how many of them are in a usage plan, Found how many the preview showed,
	// Ingested how many APIM took.
	Stages    int  `json:"stages"`
	Expected  int  `json:"expected"`
	Found     int  `json:"found"`
	Partial   bool `json:"partial"`
	Ingested  int  `json:"ingested"`
	Documents int  `json:"documents"`
	// KeysCreated and KeysDeleted count AWS's answers, KeysLeft what is there in the end.
	KeysCreated int `json:"keysCreated"`
	KeysDeleted int `json:"keysDeleted"`
	KeysLeft    int `json:"keysLeft"`
	// Problems is what APIM found wrong.
	Problems []string `json:"problems"`
	Usage    []Usage  `json:"awsCalls"`
	Steps    []Step   `json:"steps"`
	// Seconds is the time from the start of the agent.
	Seconds float64 `json:"seconds"`
}

// Step is one step of the demonstration.
type Step struct {
	Name   string `json:"name"`
	Detail string `json:"detail"`
	OK     bool   `json:"ok"`
	// Interrupted is whether somebody ended the demonstration during this step.
	Interrupted bool    `json:"interrupted,omitempty"`
	Seconds     float64 `json:"seconds"`
}

// Usage is what one account and region was asked for, against the quota that it has.
type Usage struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Calls   int    `json:"calls"`
	// Busiest is the number of calls in the busiest second.
	Busiest int `json:"busiestSecond"`
	// Average is in calls a second, from the first to the last listing or export.
	Average float64 `json:"averagePerSecond"`
	// Rate and Burst are the quota of everybody together.
	Rate      float64 `json:"quotaRate"`
	Burst     int     `json:"quotaBurst"`
	Throttled int     `json:"throttled"`
}

// usage adds up the calls to API Gateway; STS has quotas of its own.
func usage(calls []awssim.Call, q awssim.Quota) []Usage {
	starts := map[awssim.Scope][]time.Time{}
	throttled := map[awssim.Scope]int{}
	for _, c := range calls {
		if c.Operation == awssim.OpGetCallerIdentity || c.Operation == awssim.OpAssumeRole || c.Account == "" {
			continue
		}
		scope := awssim.Scope{Account: c.Account, Region: c.Region}
		starts[scope] = append(starts[scope], c.Start)
		if c.Throttled {
			throttled[scope]++
		}
	}
	rate, burst := agentQuota(q)
	if q.Off {
		rate, burst = 0, 0
	}
	out := []Usage{}
	for scope, times := range starts {
		slices.SortFunc(times, time.Time.Compare)
		out = append(out, Usage{
			Account: scope.Account, Region: scope.Region, Calls: len(times), Busiest: busiest(times, time.Second),
			Average: average(times), Rate: rate, Burst: burst, Throttled: throttled[scope],
		})
	}
	slices.SortFunc(out, func(a, b Usage) int {
		return slices.Compare([]string{a.Account, a.Region}, []string{b.Account, b.Region})
	})
	return out
}

// busiest is the largest number of times within any window of that length. The times are in order.
func busiest(times []time.Time, window time.Duration) int {
	most, first := 0, 0
	for last := range times {
		for times[last].Sub(times[first]) >= window {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// average is the rate over the longest stretch without a pause: what comes between two things that a user
// does is nobody's use of the quota.
func average(times []time.Time) float64 {
	const pause = 2 * time.Second
	var best, rate float64
	for first := 0; first < len(times); {
		last := first
		for last+1 < len(times) && times[last+1].Sub(times[last]) < pause {
			last++
		}
		if n, took := float64(last-first), times[last].Sub(times[first]).Seconds(); n > best && took > 0 {
			best, rate = n, n/took
		}
		first = last + 1
	}
	return rate
}
