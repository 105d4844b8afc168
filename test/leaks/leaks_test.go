package leaks

import (
	"encoding/base64"
	"net/url"
	"slices"
	"testing"
)

func TestASecretIsFoundInEachFormInWhichItMayBeWritten(t *testing.T) {
	var s Secrets
	if got := s.In("anything"); got != nil {
		t.Errorf("without any: %v", got)
	}
	const token, key = `tok"en/with+signs`, "AbCdEfGh12345678"
	s.Add("short", "abc")
	s.Add("token", token)
	s.AddSettings([]string{
		"gravitee_integration_connector_ws_headers_0_name=Authorization",
		"gravitee_integration_connector_ws_headers_0_value=bearer a-header-value",
		"gravitee_services_core_http_authentication_users_admin=a-password",
		"gravitee_integration_providers_0_configuration_secretAccessKey=" + key,
		"gravitee_integration_providers_0_configuration_region=eu-west-1",
	})
	for text, want := range map[string][]string{
		"nothing of eu-west-1 abc here":    nil,
		"a " + token + "b":                 {"token"},
		`{"token":"tok\"en/with+signs"}`:   {"token"},
		"?token=" + url.QueryEscape(token): {"token"},
		"msg=x error=a-header-value":       {"integration.connector.ws.headers[0].value"},
		"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("admin:a-password")): {
			"services.core.http.authentication.users.admin",
		},
		key + " and a-password": {
			"integration.providers[0].configuration.secretAccessKey", "services.core.http.authentication.users.admin",
		},
	} {
		if got := s.In(text); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
