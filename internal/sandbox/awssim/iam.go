package awssim

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"federation-agent/deployments/iam"
)

// MinimumPolicy is all that the agent's users are asked to grant: the vendor's documented policy. It is
// what a principal or role without a policy of its own is held to.
func MinimumPolicy() (*Policy, error) { return ParsePolicy(iam.MinimumPolicy) }

// AllowAll is an administrator's policy, for a neighbour in the account or for a test's own look around.
func AllowAll() *Policy {
	return &Policy{
		Version: policyVersion, Statement: []Statement{{Effect: EffectAllow, Action: Strings{"*"}, Resource: Strings{"*"}}},
	}
}

// policyVersion is the only policy language version with today's semantics.
const policyVersion = "2012-10-17"

// Effects that a statement can have.
const (
	EffectAllow = "Allow"
	EffectDeny  = "Deny"
)

// Policy is an identity-based IAM policy document.
type Policy struct {
	Version   string      `json:"Version"`
	ID        string      `json:"Id,omitempty"`
	Statement []Statement `json:"Statement"`
}

// Statement is one rule of a policy. Actions compare without regard to case, resources with; `*` stands
// for any characters, `/` and `:` included, and `?` for exactly one.
type Statement struct {
	Sid      string  `json:"Sid,omitempty"`
	Effect   string  `json:"Effect"`
	Action   Strings `json:"Action"`
	Resource Strings `json:"Resource"`
}

// Strings is a list that IAM also lets one write as a single string.
type Strings []string

// UnmarshalJSON implements [json.Unmarshaler].
func (s *Strings) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*s = Strings{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(s))
}

// UnmarshalJSON implements [json.Unmarshaler] with [ParsePolicy]'s strictness.
func (p *Policy) UnmarshalJSON(data []byte) error {
	type plain Policy
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	// Condition, NotAction and their like are not evaluated here: to read past them would allow too much.
	decoder.DisallowUnknownFields()
	if err := decoder.Decode((*plain)(p)); err != nil {
		return fmt.Errorf("reading policy: %w", err)
	}
	return p.validate()
}

// ParsePolicy reads a policy document. An element that this evaluator does not know (Condition, NotAction,
// NotResource, Principal) is an error, lest a restriction be skipped silently.
func ParsePolicy(document []byte) (*Policy, error) {
	var p Policy
	if err := json.Unmarshal(document, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

func (p *Policy) validate() error {
	var faults []error
	for i, s := range p.Statement {
		if s.Effect != EffectAllow && s.Effect != EffectDeny {
			faults = append(faults, fmt.Errorf("policy statement %d: effect %q is neither Allow nor Deny", i, s.Effect))
		}
		if len(s.Action) == 0 || len(s.Resource) == 0 {
			faults = append(faults, fmt.Errorf("policy statement %d: needs Action and Resource", i))
		}
	}
	return errors.Join(faults...)
}

// Decision is what a policy says about one action on one resource.
type Decision int

// Decisions; the zero value denies.
const (
	ImplicitlyDenied Decision = iota
	Allowed
	ExplicitlyDenied
)

// Evaluate decides as IAM does: an explicit deny wins over every allow, and what nothing allows is denied.
// A nil policy allows nothing.
func (p *Policy) Evaluate(action, resource string) Decision {
	if p == nil {
		return ImplicitlyDenied
	}
	decision := ImplicitlyDenied
	for _, s := range p.Statement {
		if !s.covers(action, resource) {
			continue
		}
		if s.Effect == EffectDeny {
			return ExplicitlyDenied
		}
		decision = Allowed
	}
	return decision
}

func (s Statement) covers(action, resource string) bool {
	return anyMatch(s.Action, action, strings.ToLower) &&
		anyMatch(s.Resource, resource, func(t string) string { return t })
}

func anyMatch(patterns []string, text string, fold func(string) string) bool {
	for _, pattern := range patterns {
		if wildcardMatch(fold(pattern), fold(text)) {
			return true
		}
	}
	return false
}

// wildcardMatch is IAM's: `*` any run of characters, `?` exactly one. It backtracks to the last star only,
// so its cost is bounded by the product of the lengths.
func wildcardMatch(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// deniedMessage words a refusal as AWS does.
func deniedMessage(principalARN, action, resource string, decision Decision) string {
	why := fmt.Sprintf("because no identity-based policy allows the %s action", action)
	if decision == ExplicitlyDenied {
		why = "with an explicit deny in an identity-based policy"
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", principalARN, action, resource, why)
}
