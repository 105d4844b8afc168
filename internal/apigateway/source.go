package apigateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"federation-agent/internal/gateway"
)

// noCredentials says that the agent's own credentials could not be had, and what to do about their source.
type noCredentials struct {
	text   string
	advice string // empty: the error says enough by itself, as of STS
	err    error
}

func (e *noCredentials) Error() string { return e.text }
func (e *noCredentials) Unwrap() error { return e.err }

// source is the provider of the agent's own credentials. Its errors say where the SDK looked, because only the SDK
// knows which of all possible sources it chose.
type source struct {
	*aws.CredentialsCache
	isLive bool // the keys are of the settings, and may change
}

// readAgain is called when AWS refuses credentials. Where they are live keys of the settings, which may have been
// rotated, the next call reads them again; it tells whether they are such.
func readAgain(refused aws.CredentialsProvider) bool {
	s, is := refused.(source)
	if !is || !s.isLive {
		return false
	}
	s.Invalidate()
	return true
}

// Retrieve implements aws.CredentialsProvider.
func (s source) Retrieve(ctx context.Context) (aws.Credentials, error) {
	got, err := s.CredentialsCache.Retrieve(ctx)
	switch {
	case err != nil:
		// The text is cut: it may quote all that a server said.
		asked := s.ProviderSources()
		return got, &noCredentials{text: textOf(asked, err), advice: adviceOn(asked, err), err: err}
	case strings.HasPrefix(got.AccessKeyID, temporaryKey) && got.SessionToken == "":
		return aws.Credentials{}, &noCredentials{
			text: "the access key is temporary, and there is no session token",
			advice: "an access key that begins with " + temporaryKey + " is temporary and needs its session token: set " +
				"sessionToken beside accessKeyId (AWS_SESSION_TOKEN in the environment, aws_session_token in a profile); " +
				"better, use a role or a lasting key, because temporary keys end within hours",
		}
	default:
		return got, nil
	}
}

// temporaryKey begins the ids of access keys that STS makes.
const temporaryKey = "ASIA"

// textOf is the error's text. What a credential_process wrote is left out: it holds secrets, and the SDK quotes it. So
// is the path of an address: who knows that of a container's endpoint gets the credentials there.
func textOf(sources []aws.CredentialSource, err error) string {
	if slices.Contains(sources, aws.CredentialSourceProcess) && !errors.As(err, new(*exec.Error)) &&
		!errors.As(err, new(*exec.ExitError)) && !errors.Is(err, context.DeadlineExceeded) {
		return "credential_process did not write what AWS's tools expect"
	}
	text := err.Error()
	if failed, is := errors.AsType[*url.Error](err); is {
		if asked, err := url.Parse(failed.URL); err == nil {
			text = strings.ReplaceAll(text, failed.URL, asked.Scheme+"://"+asked.Host)
		}
	}
	return short(text)
}

// adviceOn says what to do about the source that failed. Where STS is a part of the source, its refusals of a role that
// a profile names are explained like those of roleArn.
func adviceOn(sources []aws.CredentialSource, err error) string {
	has := func(kinds ...aws.CredentialSource) bool {
		return slices.ContainsFunc(kinds, func(s aws.CredentialSource) bool { return slices.Contains(sources, s) })
	}
	service, operation := origin(err)
	switch {
	case service == serviceSTS && operation != "AssumeRoleWithWebIdentity":
		return ""
	case has(aws.CredentialSourceEnvVarsSTSWebIDToken, aws.CredentialSourceProfileSTSWebIDToken):
		return adviceOnWebIdentity(service, err)
	case has(aws.CredentialSourceHTTP):
		return adviceOnContainer(err)
	case has(aws.CredentialSourceProcess):
		return "credential_process of the profile gave no credentials; the agent's image holds no shell and no other " +
			"program, so use a role or keys there, or check the command and what it writes"
	case has(aws.CredentialSourceSSO, aws.CredentialSourceSSOLegacy, aws.CredentialSourceLogin):
		return "the profile's SSO or login session has ended, or its cached token is not there; sign in again " +
			"(aws sso login, aws login), or give the agent a role or keys: a session needs a person again and again"
	case has(aws.CredentialSourceIMDS):
		return adviceOnMetadata(err)
	default:
		return ""
	}
}

func adviceOnWebIdentity(service string, err error) string {
	if service != serviceSTS {
		return "the web identity token cannot be read; check that AWS_WEB_IDENTITY_TOKEN_FILE (web_identity_token_file in " +
			"a profile) names a file that is mounted, and that the agent's user may read it"
	}
	switch classifyOf("", err) {
	case gateway.Unreachable, gateway.Unavailable, gateway.Throttled:
		return ""
	default:
		return "AWS STS does not accept the web identity; check AWS_ROLE_ARN, that the role's trust policy names this " +
			"cluster's OIDC provider and this service account, and that the token in AWS_WEB_IDENTITY_TOKEN_FILE is renewed"
	}
}

func adviceOnContainer(err error) string {
	what := "did not answer as it should"
	if status := statusOf(err); status > 0 {
		what = fmt.Sprintf("refuses (status %d)", status)
	}
	return "the container's credentials endpoint (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI) " + what +
		"; check the task role (ECS) or the pod identity association (EKS), " +
		"and AWS_CONTAINER_AUTHORIZATION_TOKEN or …_TOKEN_FILE"
}

// adviceOnMetadata is for the end of the chain: no other source is configured.
func adviceOnMetadata(err error) string {
	const ask = "the machine's metadata service "
	dial, dialled := errors.AsType[*net.OpError](err)
	switch status := statusOf(err); {
	case isTokenMissing(err), status == 0 && (!dialled || dial.Op != "dial") && isTimeout(err):
		return ask + "does not answer from within this container: with IMDSv2 its answers go one network hop far; " +
			"set the instance's hop limit to 2 (aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2), " +
			"or set accessKeyId and secretAccessKey, or give the task or pod a role of its own"
	case status == http.StatusNotFound:
		return ask + "knows no role: attach an instance profile to the machine, or set accessKeyId and secretAccessKey"
	case status > 0:
		return fmt.Sprintf(ask+"refuses to give credentials (status %d); check whether it is switched off or blocked, "+
			"or set accessKeyId and secretAccessKey", status)
	default:
		return "no AWS credentials were found: set accessKeyId and secretAccessKey, or give the machine or pod a role" +
			halfSet()
	}
}

// isTokenMissing tells that the metadata service wants a token, which did not come. The SDK leaves nothing but the
// text.
func isTokenMissing(err error) bool {
	return statusOf(err) == http.StatusUnauthorized || strings.Contains(err.Error(), "StatusCode: 401")
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// halfSet names what is set in the environment and has no effect as it is: the SDK passes it over in silence.
func halfSet() string {
	var found []string
	set := func(name string) bool { return os.Getenv(name) != "" }
	for _, pair := range [][2]string{
		{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}, {"AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"},
		{"AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"}, {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"},
	} {
		if set(pair[0]) && !set(pair[1]) {
			found = append(found, pair[0]+" is set without "+pair[1])
		}
	}
	for _, name := range []string{"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"} {
		if _, err := os.Stat(os.Getenv(name)); set(name) && err != nil {
			found = append(found, "the file of "+name+" is not there")
		}
	}
	if len(found) == 0 {
		return ""
	}
	return " (" + strings.Join(found, "; ") + ")"
}

// notLoaded is for settings of the SDK that it cannot read.
func notLoaded(err error) error {
	const files = "AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE, or .aws in the home directory"
	advice := "the AWS SDK cannot use its own settings; check the variables that begin with AWS_, and the profile (" +
		files + "): " + short(err.Error())
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		advice = fmt.Sprintf("there is no profile %q; check AWS_PROFILE, and the files that hold profiles (%s)",
			missing.Profile, files)
	}
	return fmt.Errorf("loading the AWS configuration: %w",
		&noCredentials{text: short(err.Error()), advice: advice, err: err})
}
