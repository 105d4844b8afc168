package config_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"federation-agent/config"
	"federation-agent/internal/secret"
)

// stores stand for files and secret stores: texts by reference, as a user writes it.
type stores struct {
	mu     sync.Mutex
	texts  map[string]string
	opened []config.Secrets
	asked  []secret.Reference
	accept map[string]func(string) error
}

func (s *stores) open(settings config.Secrets) config.SecretReader {
	s.opened = append(s.opened, settings)
	return s
}

// cell is a live secret.
type cell struct{ text string }

func (c *cell) Text() string            { return c.text }
func (c *cell) Refresh(context.Context) { c.text += "+" }

func (s *stores) Read(_ context.Context, r secret.Reference, accept func(string) error) (secret.String, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
	if s.accept == nil {
		s.accept = map[string]func(string) error{}
	}
	s.accept[r.String()] = accept
	text, found := s.texts[r.String()]
	if !found {
		return secret.String{}, fmt.Errorf("there is no %q", r.Path)
	}
	return secret.Live(&cell{text}), nil
}

func (s *stores) sources(environ ...string) config.Sources {
	return config.Sources{Environ: environ, ReadFile: files{}.read, OpenSecrets: s.open}
}

const (
	value0    = ws + "headers_0_value"
	secretVar = provider0 + "configuration_secretAccessKey"
	idVar     = provider0 + "configuration_accessKeyId"
	tokenVar  = provider0 + "configuration_sessionToken"
	withK8s   = "gravitee_secrets_kubernetes_enabled=true"
	withAWS   = "gravitee_secrets_aws_enabled=true"
	storeAWS  = "gravitee_secrets_aws_region=eu-west-1"
)

func TestAReferenceIsReplacedByWhatItNames(t *testing.T) {
	s := &stores{texts: map[string]string{
		"secret://kubernetes/apim:token":         token,
		"kubernetes://ns/secrets/aws/id":         "AKIAIOSFODNN7EXAMPLE",
		"secret://aws/prod/keys:secret?watch":    secretKey,
		"kubernetes://ns/configmaps/apim/region": "eu-west-1,us-east-1",
		"kubernetes://ns/configmaps/apim/ca":     contentOf(t, "ca.pem"),
	}}
	cfg, warnings := mustLoad(t, s.sources(seed(
		value0+"=secret://kubernetes/apim:token", idVar+"=kubernetes://ns/secrets/aws/id",
		secretVar+"=${WHERE}", "WHERE= secret://aws/prod/keys:secret?watch ",
		provider0+"configuration_region=kubernetes://ns/configmaps/apim/region",
		ws+"ssl_truststore_type=PEM", ws+"ssl_truststore_content=kubernetes://ns/configmaps/apim/ca", withK8s, withAWS, storeAWS,
		"gravitee_secrets_kubernetes_namespace=ours", "gravitee_secrets_kubernetes_timeoutMs=500",
	)...))
	wantWarnings(t, warnings)
	p := cfg.Providers[0]
	got := []string{
		cfg.Connector.Headers[0].Value.Reveal(), p.AccessKeyID.Reveal(), p.SecretAccessKey.Reveal(), p.Regions[1],
	}
	if want := []string{token, "AKIAIOSFODNN7EXAMPLE", secretKey, "us-east-1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if len(s.opened) != 1 || s.opened[0].Kubernetes.Namespace != "ours" || s.opened[0].Kubernetes.TimeoutMillis != 500 ||
		s.opened[0].AWS.Region != "eu-west-1" {
		t.Errorf("opened with %+v", s.opened)
	}
	for _, r := range s.asked {
		if isRegion := r.Key == "region"; r.Fixed != isRegion {
			t.Errorf("%s is fixed: %v", r, r.Fixed)
		}
	}
	if !cfg.Connector.SSL.TrustStore.Content.IsLive() {
		t.Error("the authorities to trust are not live")
	}
	p.SecretAccessKey.Refresh(t.Context())
	if got := cfg.Providers[0].SecretAccessKey.Reveal(); got != secretKey+"+" || !p.AccessKeyID.IsLive() {
		t.Errorf("a secret is not live: %d characters", len(got))
	}
}

func TestWhatIsReadLaterIsJudgedByTheRuleOfItsSetting(t *testing.T) {
	s := &stores{texts: map[string]string{"secret://kubernetes/apim:token": token}}
	mustLoad(t, s.sources(seed(value0+"=secret://kubernetes/apim:token", withK8s)...))
	accept := s.accept["secret://kubernetes/apim:token"]
	if err := accept("bearer other"); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"two\nlines", "[token]", "null", "no-scheme", "bearer"} {
		if accept(text) == nil {
			t.Errorf("%q is taken", text)
		}
	}
	s.texts["secret://kubernetes/apim:cloud"] = jwt(cloudClaims)
	src := inCloud(cloud+"=secret://kubernetes/apim:cloud", withK8s)
	src.OpenSecrets = s.open
	mustLoad(t, src)
	accept = s.accept["secret://kubernetes/apim:cloud"]
	if err := accept(jwt(cloudClaims)); err != nil {
		t.Error(err)
	}
	if accept("no-token") == nil {
		t.Error("what is no token of Gravitee Cloud is taken")
	}
}

func TestAFileHoldsASecret(t *testing.T) {
	s := &stores{texts: map[string]string{
		"the file /run/token": token, "the file /run/id": "ASIAIOSFODNN7EXAMPLE", "the file /run/secret": secretKey,
		"the file /run/session": "IQoJb3JpZ2luX2VjE", "the file /run/admin": "a-password",
	}}
	environ := without(seed(), value0, idVar, secretVar)
	for _, spelling := range []func(string) string{
		func(key string) string { return "gravitee_" + strings.ReplaceAll(key, ".", "_") },
		func(key string) string { return "gravitee." + key },
		func(key string) string { return "GRAVITEE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")) },
		func(key string) string { return strings.ReplaceAll(key, ".", "_") },
	} {
		named := slices.Clone(environ)
		for key, path := range map[string]string{
			"integration.connector.ws.headers.0.value":              "/run/token",
			"integration.providers.0.configuration.accessKeyId":     "/run/id",
			"integration.providers.0.configuration.secretAccessKey": "/run/secret",
			"integration.providers.0.configuration.sessionToken":    "/run/session",
			"services.core.http.authentication.users.admin":         "/run/admin",
			"secrets.aws.auth.config.secretAccessKey":               "/run/secret",
		} {
			named = append(named, spelling(key)+"_FILE="+path)
		}
		cfg, warnings := mustLoad(t, s.sources(named...))
		wantWarnings(t, warnings)
		p := cfg.Providers[0]
		got := []string{
			cfg.Connector.Headers[0].Value.Reveal(), p.AccessKeyID.Reveal(), p.SecretAccessKey.Reveal(),
			p.SessionToken.Reveal(), cfg.Services.HTTP.Authentication.Users["admin"].Reveal(),
			cfg.Secrets.AWS.Auth.SecretAccessKey.Reveal(),
		}
		want := []string{token, "ASIAIOSFODNN7EXAMPLE", secretKey, "IQoJb3JpZ2luX2VjE", "a-password", secretKey}
		if !slices.Equal(got, want) || len(cfg.Services.HTTP.Authentication.Users) != 1 {
			t.Errorf("%s: %q", spelling("x.y"), got)
		}
	}
	yaml := files{"g.yml": "integration: {connector: {ws: {headers: [{name: Authorization, value: bearer weaker}]}}}"}
	src := s.sources(append(without(seed(), value0), value0+"_FILE=/run/token")...)
	src.Files, src.ReadFile = []string{"g.yml"}, yaml.read
	if cfg, _ := mustLoad(t, src); cfg.Connector.Headers[0].Value.Reveal() != token {
		t.Error("YAML is stronger than a file that the environment names")
	}
}

func TestAFileThatCannotBeASecretIsAFault(t *testing.T) {
	s := &stores{texts: map[string]string{"the file /run/naked": "3b1f7c2e-token-that-nobody-may-see-0001"}}
	noToken := slices.Clip(without(seed(), value0))
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{seed(value0 + "_FILE=/run/x"), value0 + "_FILE: is set, and so is " + value0 + "; set only one of them"},
		{
			seed("GRAVITEE_INTEGRATION_CONNECTOR_WS_HEADERS_0_VALUE_FILE=/run/x"),
			"GRAVITEE_INTEGRATION_CONNECTOR_WS_HEADERS_0_VALUE_FILE: is set, and so is " + value0,
		},
		{append(noToken, value0+"_FILE=/run/x"), value0 + "_FILE: refers to the file /run/x, which cannot be read"},
		{append(noToken, value0+"_FILE=/run/naked"), value0 + "_FILE: has no scheme; write the word bearer and a space " +
			"before the token (read from the file /run/naked)"},
		{seed(provider0 + "configuration_roleArn_FILE=/run/x"), "roleArn_FILE: is not a setting of this agent"},
		{append(noToken, value0+"_file=/run/x"), value0 + "_file: is not a setting of this agent"},
	} {
		faults := faultsOf(t, s.sources(c.environ...))
		first, _, _ := strings.Cut(faults.Error(), "\n")
		if !strings.Contains(first, c.want) || strings.Contains(faults.Error(), "nobody-may-see") {
			t.Errorf("want %s\n%v", c.want, faults)
		}
	}
}

func TestAllReferencesThatCannotBeReadAreFaultsOfOneStart(t *testing.T) {
	s := &stores{}
	faults := faultsOf(t, s.sources(seed(
		value0+"=secret://kubernetes/apim:token", idVar+"=kubernetes://ns/secrets/aws/id",
		secretVar+"=secret://kubernetes/aws", provider0+"configuration_region=secret://kubernetes/apim:region",
		nodeHTTP+"authentication_users_admin=secret://kubernetes//x", withK8s,
	)...))
	wantFaults(t, faults,
		"users_admin: is not secret://PROVIDER/PATH:KEY",
		value0+`: refers to secret://kubernetes/apim:token, which cannot be read: there is no "apim"`,
		idVar+": refers to kubernetes://ns/secrets/aws/id",
		provider0+"configuration_region: refers to secret://kubernetes/apim:region",
		secretVar+": refers to secret://kubernetes/aws",
	)
}

func TestWhatWasReadIsNotShownByAFault(t *testing.T) {
	s := &stores{texts: map[string]string{
		"secret://kubernetes/x:level": "hunter2", "secret://kubernetes/x:region": `hun"ter3`,
		"secret://kubernetes/x:size": "hunter4",
	}}
	faults := faultsOf(t, s.sources(seed(
		"gravitee_agent_log_level=secret://kubernetes/x:level", "gravitee_agent_quota_burst=secret://kubernetes/x:size",
		provider0+"configuration_region=secret://kubernetes/x:region", withK8s,
	)...))
	wantFaults(t, faults,
		"gravitee_agent_log_level: its value is not one of debug, info, warn, error (read from secret://kubernetes/x:level)",
		"gravitee_agent_quota_burst: its value is not a whole number (read from",
		"configuration_region: its value is not an AWS region (read from secret://kubernetes/x:region)")
	if strings.Contains(faults.Error(), "hun") {
		t.Errorf("%v", faults)
	}
}

func TestASecretReferenceIsATextWhileItsProviderIsOff(t *testing.T) {
	for provider, off := range map[string]string{
		"vault": "gravitee_secrets_vault_enabled=false", "kubernetes": "", "aws": "gravitee_secrets_aws_enabled=no",
	} {
		reference := "secret://" + provider + "/aws:key?namespace=n"
		cfg, warnings := mustLoad(t, (&stores{}).sources(seed(secretVar+"="+reference, off)...))
		if got := warnings[len(warnings)-1]; !strings.Contains(got, secretVar+": begins with secret:// but its provider is "+
			"not enabled, so the text itself is the value") {
			t.Error(got)
		}
		if got := cfg.Providers[0].SecretAccessKey.Reveal(); got != reference {
			t.Errorf("the text became %s", got)
		}
	}
}

func TestAProviderThatIsNotServedIsRefusedByName(t *testing.T) {
	for _, provider := range []string{"vault", "azure-keyvault", "file"} {
		on := "GRAVITEE_SECRETS_" + strings.ToUpper(provider) + "_ENABLED=true"
		environ := seed(secretVar+"=secret://"+provider+"/aws:key", on)
		wantFaults(t, faultsOf(t, (&stores{}).sources(environ...)),
			secretVar+`: refers to the provider "`+provider+`", which is not served; only kubernetes and aws are`)
	}
}

func TestTheKeysOfASecretStoreMayBeInAnotherOne(t *testing.T) {
	s := &stores{texts: map[string]string{
		"secret://kubernetes/store:id": "AKIAIOSFODNN7EXAMPLE", "secret://kubernetes/store:secret": "the-store's-own-key",
		"secret://aws/apim:token": token,
	}}
	auth := "gravitee_secrets_aws_auth_"
	keys := []string{
		value0 + "=secret://aws/apim:token", withK8s, withAWS, storeAWS, auth + "provider=static",
		"gravitee_secrets_loadFirst=kubernetes",
	}
	cfg, _ := mustLoad(t, s.sources(seed(append(keys, auth+"config_accessKeyId=secret://kubernetes/store:id",
		auth+"config_secretAccessKey=secret://kubernetes/store:secret")...)...))
	if got := s.opened[1].AWS.Auth.SecretAccessKey.Reveal(); len(s.opened) != 2 || got != "the-store's-own-key" {
		t.Errorf("%d times opened, with %q", len(s.opened), got)
	}
	if cfg.Connector.Headers[0].Value.Reveal() != token {
		t.Error("the token is another one")
	}
	wantFaults(t, faultsOf(t, s.sources(seed(append(keys, auth+"config_accessKeyId=secret://aws/x:y",
		"gravitee_secrets_kubernetes_namespace=secret://kubernetes/x:y")...)...)),
		auth+"config_accessKeyId: cannot be a reference", "secrets_kubernetes_namespace: cannot be a reference",
		auth+"config_secretAccessKey: is missing, though secrets.aws.auth.provider is static")
}

func TestAStoreInUseNeedsItsSettings(t *testing.T) {
	const use = value0 + "=secret://aws/apim:token"
	for want, more := range map[string][]string{
		"gravitee_secrets_aws_region: is missing": nil,
		`gravitee_secrets_aws_region: "eu-wst-1" is not an AWS region; did you mean eu-west-1?`: {
			"gravitee_secrets_aws_region=eu-wst-1"},
		"secrets_aws_endpointOverride: says which endpoint is called, and so does secrets.aws.fipsEnabled": {
			storeAWS, "gravitee_secrets_aws_fipsEnabled=true", "gravitee_secrets_aws_endpointOverride=https://x"},
		"gravitee_secrets_aws_regoin: is not a setting of this agent; did you mean gravitee_secrets_aws_region?": {
			storeAWS, "gravitee_secrets_aws_regoin=x"},
	} {
		s := &stores{texts: map[string]string{"secret://aws/apim:token": token}}
		wantFaults(t, faultsOf(t, s.sources(seed(append(more, use, withAWS)...)...)), want)
	}
	mustLoad(t, sources(seed(withAWS, withK8s)...)) // what is not used needs nothing
}

func TestACommandThatNeedsFewSettingsReadsNoOtherReferences(t *testing.T) {
	s := &stores{texts: map[string]string{"secret://kubernetes/node:admin": "a-password"}}
	src := s.sources(seed(value0+"=secret://kubernetes/apim:token", idVar+"=secret://kubernetes/aws:id",
		ws+"ssl_truststore_type=PKCS12", ws+"ssl_truststore_content=secret://kubernetes/ca:store",
		ws+"ssl_keystore_type=JKS", ws+"ssl_keystore_path=/none.jks",
		"gravitee_secrets_aws_auth_config_accessKeyId=secret://kubernetes/store:id",
		nodeHTTP+"authentication_users_admin=secret://kubernetes/node:admin", withK8s)...)
	src.Needed = "services."
	cfg, warnings, err := config.Load(src)
	if err != nil || len(warnings) > 0 || cfg.Services.HTTP.Authentication.Users["admin"].Reveal() != "a-password" {
		t.Errorf("%v %q", err, warnings)
	}
}

func TestTemporaryKeysComeWithTheirSessionToken(t *testing.T) {
	cfg, _ := mustLoad(t, sources(seed(idVar+"=ASIAIOSFODNN7EXAMPLE", tokenVar+"=IQoJb3Jp")...))
	if cfg.Providers[0].SessionToken.Reveal() != "IQoJb3Jp" {
		t.Error("the session token is lost")
	}
	for assignment, want := range map[string]string{
		tokenVar + "=two words":             tokenVar + ": contains a space; write only the token",
		tokenVar + "=[your-session-token]x": tokenVar + ": still contains a placeholder",
	} {
		wantFaults(t, faultsOf(t, sources(seed(assignment)...)), want)
	}
	wantFaults(t, faultsOf(t, sources(append(without(seed(), idVar, secretVar), tokenVar+"=x")...)),
		idVar+": is missing, though the session token is set")
}

func TestWithoutAReaderAReferenceIsAFault(t *testing.T) {
	for _, environ := range [][]string{
		seed(value0+"=secret://kubernetes/apim:token", withK8s), append(without(seed(), value0), value0+"_FILE=/a"),
	} {
		wantFaults(t, faultsOf(t, sources(environ...)), "refers to a file or a secret store, and nothing here reads them")
	}
}
