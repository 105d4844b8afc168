package awssim

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// caller is whom an access key id belongs to.
type caller struct {
	account     string
	partition   string
	accessKeyID string
	// arn names the session where there is one; principal leaves the session's name out.
	arn       string
	principal string
	userID    string
	policy    *Policy
	// session tells temporary credentials from a user's.
	session bool
}

type session struct {
	caller
	token   string
	expires time.Time
}

type roleEntry struct {
	Role
	account   string
	partition string
	policy    *Policy
}

// identities holds users and roles, fixed at the start, and the sessions that STS gave out.
type identities struct {
	users map[string]caller    // by access key id
	roles map[string]roleEntry // by ARN

	mu       sync.Mutex
	sessions map[string]session // by access key id
	issued   int
}

var accountPattern = regexp.MustCompile(`^[0-9]{12}$`)

const defaultPartition = "aws"

func partitionOf(a Account) string {
	if a.Partition == "" {
		return defaultPartition
	}
	return a.Partition
}

func newIdentities(e Estate) (*identities, error) {
	minimum, err := MinimumPolicy()
	if err != nil {
		return nil, err
	}
	or := func(p *Policy) *Policy {
		if p == nil {
			return minimum
		}
		return p
	}
	ids := &identities{users: map[string]caller{}, roles: map[string]roleEntry{}, sessions: map[string]session{}}
	var faults []error
	for _, a := range e.Accounts {
		if !accountPattern.MatchString(a.ID) {
			faults = append(faults, fmt.Errorf("account %q: an id has twelve digits", a.ID))
		}
		for _, p := range a.Principals {
			if _, double := ids.users[p.AccessKeyID]; double || p.AccessKeyID == "" || p.Name == "" {
				faults = append(faults,
					fmt.Errorf("account %s: principal %q needs a name and an access key id of its own", a.ID, p.Name))
			}
			arn := fmt.Sprintf("arn:%s:iam::%s:user/%s", partitionOf(a), a.ID, p.Name)
			ids.users[p.AccessKeyID] = caller{
				account: a.ID, partition: partitionOf(a), accessKeyID: p.AccessKeyID, arn: arn, principal: arn,
				userID: "AIDA" + identifier(hash64(0, arn), upperAlphanumeric, 17), policy: or(p.Policy),
			}
		}
		for _, r := range a.Roles {
			if r.MaxSessionSeconds == 0 {
				r.MaxSessionSeconds = defaultSessionSeconds
			}
			ids.roles[RoleARN(a, r.Name)] = roleEntry{Role: r, account: a.ID, partition: partitionOf(a), policy: or(r.Policy)}
		}
	}
	return ids, errors.Join(faults...)
}

// RoleARN spells the ARN that AssumeRole takes.
func RoleARN(a Account, role string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", partitionOf(a), a.ID, role)
}

// authenticate finds the caller of an access key id and, for a session, its token.
func (ids *identities) authenticate(accessKeyID, token string, now time.Time) (caller, *apiError) {
	if c, ok := ids.users[accessKeyID]; ok {
		return c, nil
	}
	ids.mu.Lock()
	defer ids.mu.Unlock()
	s, ok := ids.sessions[accessKeyID]
	if !ok || subtle.ConstantTimeCompare([]byte(s.token), []byte(token)) != 1 {
		return caller{accessKeyID: accessKeyID}, unrecognized()
	}
	if !now.Before(s.expires) {
		return s.caller, refuse(http.StatusForbidden, CodeExpiredToken, messageExpiredToken)
	}
	return s.caller, nil
}

func unrecognized() *apiError {
	return refuse(http.StatusForbidden, CodeUnrecognizedClient, messageInvalidToken)
}

// sessionMemory is how long an expired session is still told from one that never was. The longest session
// is twelve hours, so the number of sessions kept is bounded by the rate of AssumeRole.
const sessionMemory = time.Hour

// issuedCredentials are what AssumeRole answers.
type issuedCredentials struct {
	session
	secret string
}

func (ids *identities) issue(
	seed uint64, role roleEntry, roleARN, name string, lifetime time.Duration, now time.Time,
) issuedCredentials {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	for id, s := range ids.sessions {
		if now.Sub(s.expires) > sessionMemory {
			delete(ids.sessions, id)
		}
	}
	ids.issued++
	bits := func(purpose string) uint64 { return hash64(seed, purpose, roleARN, name, strconv.Itoa(ids.issued)) }
	s := session{
		caller: caller{
			account: role.account, partition: role.partition,
			accessKeyID: "ASIA" + identifier(bits("access key id"), upperAlphanumeric, 16),
			arn:         fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", role.partition, role.account, role.Name, name),
			principal:   roleARN,
			userID:      "AROA" + identifier(hash64(0, roleARN), upperAlphanumeric, 17) + ":" + name,
			policy:      role.policy, session: true,
		},
		token:   identifier(bits("session token"), alphanumeric, 120),
		expires: now.Add(lifetime).Truncate(time.Second), // STS says it in whole seconds
	}
	ids.sessions[s.accessKeyID] = s
	return issuedCredentials{session: s, secret: identifier(bits("secret access key"), alphanumeric, 40)}
}

// expireSessions ends all sessions that match, as when a role's sessions are revoked.
func (ids *identities) expireSessions(roleARN string, now time.Time) int {
	ids.mu.Lock()
	defer ids.mu.Unlock()
	ended := 0
	for id, s := range ids.sessions {
		if (roleARN == "" || s.principal == roleARN) && s.expires.After(now) {
			s.expires = now
			ids.sessions[id] = s
			ended++
		}
	}
	return ended
}

func (r roleEntry) trusts(c caller) bool {
	return len(r.TrustedAccounts) == 0 || slices.Contains(r.TrustedAccounts, c.account)
}
