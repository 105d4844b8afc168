// Package federation is the model of an API as Gravitee APIM federates it, and the pure mapping from what AWS API
// Gateway says to that model: identities, names, plans, pages, metadata, limits, and what a listing shows as lost.
//
// It does no I/O and keeps no state. Of AWS it imports only the values of package gateway.
package federation

import (
	"cmp"
	"fmt"
	"log/slog"
	"strings"

	"federation-agent/internal/words"
)

// ID identifies one (REST API, stage) of one target for ever. Its text is both `uniqueId` and `id` in APIM, so it must
// never change for the same AWS resource. It comes back in START_INGEST, SUBSCRIBE and UNSUBSCRIBE.
type ID struct {
	Account string
	Region  string
	RestAPI string
	Stage   string
}

const (
	// idParts is the number of parts of an ID's text. No part can contain the separator: the names of AWS stages consist
	// of letters, digits, hyphens and underscores.
	idParts     = 4
	idSeparator = ":"
)

// String is "ACCOUNT:REGION:RESTAPI:STAGE".
func (id ID) String() string {
	return strings.Join([]string{id.Account, id.Region, id.RestAPI, id.Stage}, idSeparator)
}

// LogValue implements slog.LogValuer: a JSON log shows the text, too.
func (id ID) LogValue() slog.Value { return slog.StringValue(id.String()) }

// Target is the account and region of the API.
func (id ID) Target() Target { return Target{Account: id.Account, Region: id.Region} }

// CompareIDs orders ids by their parts.
func CompareIDs(a, b ID) int {
	return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region),
		cmp.Compare(a.RestAPI, b.RestAPI), cmp.Compare(a.Stage, b.Stage))
}

// ParseID reads the text of an [ID].
func ParseID(s string) (ID, error) {
	parts := strings.Split(s, idSeparator)
	if len(parts) != idParts {
		return ID{}, fmt.Errorf("reading API id %q: it is not ACCOUNT:REGION:RESTAPI:STAGE", words.Short(s))
	}
	for _, part := range parts {
		if part == "" || strings.TrimSpace(part) != part {
			return ID{}, fmt.Errorf("reading API id %q: a part of ACCOUNT:REGION:RESTAPI:STAGE is empty or has blanks",
				words.Short(s))
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

// LogValue implements slog.LogValuer, as that of [ID] does. It is the region alone while the account is not known.
func (t Target) LogValue() slog.Value {
	return slog.StringValue(strings.TrimPrefix(t.String(), idSeparator))
}

// ParseTarget reads the text of a [Target].
func ParseTarget(s string) (Target, error) {
	account, region, found := strings.Cut(s, idSeparator)
	if !found || account == "" || region == "" || strings.Contains(region, idSeparator) {
		return Target{}, fmt.Errorf("reading target %q: it is not ACCOUNT:REGION", s)
	}
	return Target{Account: account, Region: region}, nil
}

// Ref is an API as a command names it: by a whole [ID], or by a bare REST API id that another agent ingested. A bare id
// is looked up in [Known], and is only valid as long as it means one API.
type Ref struct {
	ID ID // zero for a bare reference
	// RestAPI is the REST API id in both forms.
	RestAPI string
}

// Bare reports whether only the REST API id is known.
func (r Ref) Bare() bool { return r.ID == ID{} }

// ParseRef reads the API id of a command.
func ParseRef(s string) (Ref, error) {
	if s == "" || strings.TrimSpace(s) != s {
		return Ref{}, fmt.Errorf("reading API id %q: it is empty or has blanks", words.Short(s))
	}
	if !strings.Contains(s, idSeparator) {
		return Ref{RestAPI: s}, nil
	}
	id, err := ParseID(s)
	return Ref{ID: id, RestAPI: id.RestAPI}, err
}
