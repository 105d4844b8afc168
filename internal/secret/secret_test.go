package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"federation-agent/internal/secret"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	const value = "hunter2-hunter2-hunter2"
	s := secret.New(value)
	holder := struct{ S secret.String }{s}

	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("holding", "secret", s, "holder", holder)
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}

	for name, printed := range map[string]string{
		"%v": fmt.Sprint(s), "%q": fmt.Sprintf("%q", s),
		"%#v": fmt.Sprintf("%#v", s), "%+v of its holder": fmt.Sprintf("%+v", holder),
		"%#v of its holder": fmt.Sprintf("%#v", holder), "log": log.String(), "JSON": string(encoded),
	} {
		if strings.Contains(printed, value) {
			t.Errorf("%s shows the secret: %s", name, printed)
		}
		if !strings.Contains(printed, secret.Redacted) {
			t.Errorf("%s does not say that there is a secret: %s", name, printed)
		}
	}
	if s.Reveal() != value {
		t.Errorf("Reveal() = %q", s.Reveal())
	}
}

func TestNoSecretIsNotShownAsOne(t *testing.T) {
	if got := fmt.Sprint(secret.String{}); got != "" {
		t.Errorf("an absent secret prints %q", got)
	}
}
