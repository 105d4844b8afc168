package awssim

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// Limits of AssumeRole, in seconds (AWS documents them).
const (
	minSessionSeconds     = 900
	defaultSessionSeconds = 3600
	// chainedSessionSeconds is all that a role assumed with another role's session can have.
	chainedSessionSeconds = 3600
)

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

var sessionNamePattern = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

type stsMetadata struct {
	RequestID string `xml:"RequestId"`
}

type callerIdentityResponse struct {
	XMLName   xml.Name    `xml:"GetCallerIdentityResponse"`
	Namespace string      `xml:"xmlns,attr"`
	ARN       string      `xml:"GetCallerIdentityResult>Arn"`
	UserID    string      `xml:"GetCallerIdentityResult>UserId"`
	Account   string      `xml:"GetCallerIdentityResult>Account"`
	Metadata  stsMetadata `xml:"ResponseMetadata"`
}

type assumeRoleResponse struct {
	XMLName         xml.Name    `xml:"AssumeRoleResponse"`
	Namespace       string      `xml:"xmlns,attr"`
	AssumedRoleID   string      `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	AssumedRoleARN  string      `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	AccessKeyID     string      `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	SecretAccessKey string      `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	SessionToken    string      `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration      string      `xml:"AssumeRoleResult>Credentials>Expiration"`
	Metadata        stsMetadata `xml:"ResponseMetadata"`
}

type stsErrorResponse struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// routeSTS finds the operation of a query-protocol request.
func routeSTS(r *request) *apiError {
	if r.method != http.MethodPost || r.path != "/" {
		return refuse(http.StatusNotFound, codeSTSInvalidAction, "Could not find operation for %s %s", r.method, r.path)
	}
	form, err := url.ParseQuery(string(r.body))
	if err != nil {
		return refuse(http.StatusBadRequest, codeSTSValidation, "The request body is not a valid form")
	}
	r.form = form
	r.event.Operation = form.Get("Action")
	switch r.event.Operation {
	case OpGetCallerIdentity:
		r.do = getCallerIdentity
	case OpAssumeRole:
		r.event.Role = form.Get("RoleArn")
		r.do = assumeRole
	default:
		return refuse(http.StatusBadRequest, codeSTSInvalidAction, "Could not find operation %s for version %s",
			form.Get("Action"), form.Get("Version"))
	}
	return nil
}

func getCallerIdentity(_ *Server, r *request) (response, *apiError) {
	return xmlResponse(callerIdentityResponse{
		Namespace: stsNamespace, ARN: r.caller.arn, UserID: r.caller.userID, Account: r.caller.account,
		Metadata: stsMetadata{r.id},
	}), nil
}

func assumeRole(s *Server, r *request) (response, *apiError) {
	roleARN, name := r.form.Get("RoleArn"), r.form.Get("RoleSessionName")
	if !sessionNamePattern.MatchString(name) {
		return response{}, stsInvalid(
			"1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: "+
				"Member must satisfy regular expression pattern: [\\w+=,.@-]*",
			name,
		)
	}
	role, known := s.identities.roles[roleARN]
	if !known || !role.trusts(r.caller) || role.ExternalID != "" && r.form.Get("ExternalId") != role.ExternalID {
		return response{}, refuse(http.StatusForbidden, codeSTSAccessDenied,
			"User: %s is not authorized to perform: sts:AssumeRole on resource: %s", r.caller.arn, roleARN)
	}
	lifetime, bad := sessionLifetime(r.form.Get("DurationSeconds"), role, r.caller)
	if bad != nil {
		return response{}, bad
	}
	c := s.identities.issue(s.options.Seed, role, roleARN, name, lifetime, time.Now())
	return xmlResponse(assumeRoleResponse{
		Namespace: stsNamespace, AssumedRoleID: c.userID, AssumedRoleARN: c.arn,
		AccessKeyID: c.accessKeyID, SecretAccessKey: c.secret, SessionToken: c.token,
		Expiration: c.expires.UTC().Format(time.RFC3339), Metadata: stsMetadata{r.id},
	}), nil
}

func sessionLifetime(asked string, role roleEntry, by caller) (time.Duration, *apiError) {
	seconds := defaultSessionSeconds
	if asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < minSessionSeconds {
			return 0, stsInvalid(
				"1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: "+
					"Member must have value greater than or equal to %d",
				asked, minSessionSeconds,
			)
		}
		seconds = n
	}
	if by.session && seconds > chainedSessionSeconds {
		return 0,
			stsInvalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	if seconds > role.MaxSessionSeconds {
		return 0, stsInvalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return time.Duration(seconds) * time.Second, nil
}

func stsInvalid(format string, args ...any) *apiError {
	return refuse(http.StatusBadRequest, codeSTSValidation, format, args...)
}

// stsCode gives STS's own spelling of a code that both services have.
func stsCode(code string) string {
	own := map[string]string{
		CodeUnrecognizedClient:    codeSTSInvalidClientToken,
		CodeExpiredToken:          codeSTSExpiredToken,
		CodeMissingAuthentication: codeSTSMissingToken,
		CodeIncompleteSignature:   codeSTSIncompleteSignature,
		CodeInvalidSignature:      codeSTSInvalidSignature,
		CodeAccessDenied:          codeSTSAccessDenied,
		CodeTooManyRequests:       codeSTSThrottling,
	}
	if spelled, ok := own[code]; ok {
		return spelled
	}
	return code
}
