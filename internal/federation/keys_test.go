package federation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAKeyIsNamedAfterApplicationAndSubscription(t *testing.T) {
	const subscription = "6c530064-0b2c-4f00-9300-640b2cef0077"
	for application, want := range map[string]string{
		"My App":          "My App / " + subscription,
		"  tab\there\x00": "tab here / " + subscription,
		"":                "application / " + subscription,
	} {
		if got := KeyName(application, subscription); got != want {
			t.Errorf("KeyName(%q) = %q", application, got)
		}
	}
	long := KeyName(strings.Repeat("🚀", 2000), subscription)
	if width(long) > MaxKeyName || !strings.HasSuffix(long, "… / "+subscription) {
		t.Errorf("a long name became %d characters, ending %q", width(long), long[len(long)-50:])
	}
}

func TestAKeyIsDescribedBySubscriptionAndApplication(t *testing.T) {
	for application, want := range map[string]string{
		"app-1": "Made by the Gravitee federation agent for subscription sub-1 of application app-1, making m-1",
		" ":     "Made by the Gravitee federation agent for subscription sub-1, making m-1",
	} {
		if got := KeyDescription("sub-1", application, "m-1"); got != want || KeyMaking(got) != "m-1" {
			t.Errorf("%q: %s", application, got)
		}
	}
	if got := width(KeyDescription(strings.Repeat("s", 5000), strings.Repeat("a", 5000), "m-1")); got > 500 {
		t.Errorf("%d characters", got)
	}
}

func TestTheMetadataOfASubscriptionIdentifyItsKey(t *testing.T) {
	k := KeyRef{Target: west, UsagePlanID: "plan1", KeyID: "key1"}
	want := map[string]string{
		"aws-api-key-id":                "key1",
		"aws-api-gateway-account-id":    one,
		"aws-api-gateway-region":        "eu-west-1",
		"aws-api-gateway-usage-plan-id": "plan1",
	}
	if diff := cmp.Diff(want, k.Metadata()); diff != "" {
		t.Error(diff)
	}
	if got, err := KeyRefOf(k.Metadata()); err != nil || got != k {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTheKeyOfAnotherAgentsSubscriptionIsFound(t *testing.T) {
	got, err := KeyRefOf(map[string]string{"aws-api-key-id": "key1", "planId": "plan1"})
	if err != nil || got != (KeyRef{KeyID: "key1", UsagePlanID: "plan1"}) {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = KeyRefOf(map[string]string{"planId": "plan1"})
	if err == nil || !strings.Contains(err.Error(), "aws-api-key-id") {
		t.Errorf("error %v", err)
	}
	if _, err := KeyRefOf(nil); err == nil {
		t.Error("no error")
	}
}
