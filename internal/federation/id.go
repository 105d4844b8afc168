// Package federation is the model of an API as Gravitee APIM federates it, and the pure mapping from what AWS API Gateway
// says to that model: identities, names, plans, pages, metadata, limits, and what a listing takes away.
//
// It does no I/O and keeps no state; of the project it imports only apigateway's values.
package federation

import (
	"fmt"
	"strings"
)

// ID tells one (REST API, stage) of one target apart for ever. Its text is both `uniqueId` and `id` in APIM, so it must
// never change for the same AWS resource, and it comes back in START_INGEST, SUBSCRIBE and UNSUBSCRIBE.
type ID struct {
	Account string
	Region  string
	RestAPI string
	Stage   string
}

// idParts is how many parts an ID's text has. None of them can contain the separator: AWS stages are made of letters,
// digits, hyphens and underscores.
const (
	idParts     = 4
	idSeparator = ":"
)

// String is "ACCOUNT:REGION:RESTAPI:STAGE".
func (id ID) String() string {
	return strings.Join([]string{id.Account, id.Region, id.RestAPI, id.Stage}, idSeparator)
}

// Target is where the API lives.
func (id ID) Target() Target { return Target{Account: id.Account, Region: id.Region} }

// ParseID reads what [ID.String] wrote.
func ParseID(s string) (ID, error) {
	parts := strings.Split(s, idSeparator)
	if len(parts) != idParts {
		return ID{}, fmt.Errorf("reading API id %q: it is not ACCOUNT:REGION:RESTAPI:STAGE", s)
	}
	for _, part := range parts {
		if part == "" || strings.TrimSpace(part) != part {
			return ID{}, fmt.Errorf("reading API id %q: a part of ACCOUNT:REGION:RESTAPI:STAGE is empty or padded", s)
		}
	}
	return ID{Account: parts[0], Region: parts[1], RestAPI: parts[2], Stage: parts[3]}, nil
}

// Target is one account in one region.
type Target struct {
	Account string
	Region  string
}

// String is "ACCOUNT:REGION".
func (t Target) String() string { return t.Account + idSeparator + t.Region }

// ParseTarget reads what [Target.String] writes.
func ParseTarget(s string) (Target, error) {
	account, region, found := strings.Cut(s, idSeparator)
	if !found || account == "" || region == "" || strings.Contains(region, idSeparator) {
		return Target{}, fmt.Errorf("reading target %q: it is not ACCOUNT:REGION", s)
	}
	return Target{Account: account, Region: region}, nil
}

// Ref is an API as a command names it: by a whole [ID], or by a bare REST API id that another agent ingested, which must be
// looked up among the [Known] and is only good while it is unambiguous.
type Ref struct {
	ID ID // zero for a bare reference
	// RestAPI is the REST API id of either form.
	RestAPI string
}

// Bare reports whether only the REST API id is known.
func (r Ref) Bare() bool { return r.ID == ID{} }

// ParseRef reads an API id of a command.
func ParseRef(s string) (Ref, error) {
	if s == "" || strings.TrimSpace(s) != s {
		return Ref{}, fmt.Errorf("reading API id %q: it is empty or padded", s)
	}
	if !strings.Contains(s, idSeparator) {
		return Ref{RestAPI: s}, nil
	}
	id, err := ParseID(s)
	if err != nil {
		return Ref{}, err
	}
	return Ref{ID: id, RestAPI: id.RestAPI}, nil
}
