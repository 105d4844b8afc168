package federation

import "testing"

// The vectors are what java.util.UUID.nameUUIDFromBytes of JDK 17 gives for the UTF-8 of the joined texts.

func TestAPIMsIDsAreJavasNameUUIDs(t *testing.T) {
	for name, want := range map[string]string{
		"":      "d41d8cd9-8f00-3204-a980-0998ecf8427e",
		"hello": "5d41402a-bc4b-3a76-b971-9d911017c592",
		"é":     "66ddcd97-cfde-3bb2-b6fb-8a999b4bc76f",
	} {
		if got := nameUUID(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

func TestAPIMsIDsAreOverPlainlyJoinedParts(t *testing.T) {
	id := ID{Account: "123456789012", Region: "eu-west-1", RestAPI: "a1b2c3d4e5", Stage: "prod"}.String()
	api := APIMID("DEFAULT", "7a1d6fa5-3a1e-4c8e-9d6f-a53a1e0c8e12", id)
	if want := "b5c8663a-c52f-313e-941e-f38cefdadacf"; api != want {
		t.Errorf("the API's: %s, want %s", api, want)
	}
	if got, want := APIMPlanID(api, "plan1"), "8603b6a0-3212-326c-8a24-ea96fe21f68c"; got != want {
		t.Errorf("the plan's: %s, want %s", got, want)
	}
}
