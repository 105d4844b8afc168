package awssim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Services of a credential scope.
const (
	serviceAPIGateway = "apigateway"
	serviceSTS        = "sts"
	serviceAccount    = "account"
	serviceSQS        = "sqs"
	serviceDynamoDB   = "dynamodb"
)

const (
	sigV4Algorithm      = "AWS4-HMAC-SHA256"
	securityTokenHeader = "X-Amz-Security-Token"
	targetHeader        = "X-Amz-Target" // the operation, of services that have one path
)

var (
	regionPattern    = regexp.MustCompile(`^[a-z]{2,}(-[a-z]+)+-[0-9]+$`)
	datePattern      = regexp.MustCompile(`^[0-9]{8}$`)
	signaturePattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// credentialScope is what the Authorization header says about who calls which service where.
type credentialScope struct {
	accessKeyID string
	region      string
	service     string
}

// parseAuthorization reads `AWS4-HMAC-SHA256 Credential=AKID/DATE/REGION/SERVICE/aws4_request,
// SignedHeaders=…, Signature=…`. The signature must look like one; it is not verified.
func parseAuthorization(r *http.Request) (credentialScope, *apiError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return credentialScope{}, refuse(http.StatusForbidden, CodeMissingAuthentication, messageMissingToken)
	}
	algorithm, rest, _ := strings.Cut(header, " ")
	if algorithm != sigV4Algorithm {
		return credentialScope{}, incomplete("Authorization header requires the algorithm %s", sigV4Algorithm)
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return credentialScope{}, incomplete("Authorization header has a part that is not a key=value pair")
		}
		fields[name] = value
	}
	for _, required := range []string{"Credential", "SignedHeaders", "Signature"} {
		if fields[required] == "" {
			return credentialScope{}, incomplete("Authorization header requires '%s' parameter.", required)
		}
	}
	if r.Header.Get("X-Amz-Date") == "" && r.Header.Get("Date") == "" {
		return credentialScope{},
			incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if !signaturePattern.MatchString(fields["Signature"]) {
		return credentialScope{},
			invalidSignature("The request signature we calculated does not match the signature you provided.")
	}
	parts := strings.Split(fields["Credential"], "/")
	if len(parts) != 5 || parts[0] == "" || !datePattern.MatchString(parts[1]) || parts[4] != "aws4_request" {
		return credentialScope{},
			incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term")
	}
	scope := credentialScope{accessKeyID: parts[0], region: parts[2], service: parts[3]}
	if !regionPattern.MatchString(scope.region) {
		return scope, invalidSignature("Credential should be scoped to a valid region.")
	}
	if !slices.Contains([]string{serviceAPIGateway, serviceSTS, serviceAccount, serviceSQS, serviceDynamoDB}, scope.service) {
		return scope, invalidSignature("Credential should be scoped to correct service: '%s'.", serviceAPIGateway)
	}
	return scope, nil
}

func incomplete(format string, args ...any) *apiError {
	return refuse(http.StatusForbidden, CodeIncompleteSignature, format, args...)
}

func invalidSignature(format string, args ...any) *apiError {
	return refuse(http.StatusForbidden, CodeInvalidSignature, format, args...)
}
