package federation

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

var prod = ID{Account: "111111111111", Region: "eu-west-1", RestAPI: "a1b2c3", Stage: "prod"}

func TestAnIDConsistsOfAccountRegionAPIAndStageAndCanBeParsed(t *testing.T) {
	const text = "111111111111:eu-west-1:a1b2c3:prod"
	if got := prod.String(); got != text {
		t.Errorf("id = %s", got)
	}
	if got, err := ParseID(text); err != nil || got != prod {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestATextThatIsNotAnIDIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "a", "a:b:c", "a:b:c:d:e", "a::c:d", ":::", "a:b:c:", " a:b:c:d", "a:b:c:d ", "a:b: :d",
	} {
		if id, err := ParseID(text); err == nil {
			t.Errorf("%q was read as %+v", text, id)
		}
	}
}

func TestABareRESTAPIIDIsResolvedOnlyIfItMeansOneAPI(t *testing.T) {
	dev, other := prod, prod
	dev.Stage = "dev"
	other.RestAPI = "zzz"
	known := slices.Values([]ID{prod, dev, other})
	for text, want := range map[string]string{
		prod.String():                   prod.String(),
		"222222222222:eu-west-1:x:prod": "222222222222:eu-west-1:x:prod", // whole: known or not
		"zzz":                           other.String(),
		"a1b2c3":                        "error: ingest again",
		"nobody":                        "error: no listing has shown",
	} {
		ref, err := ParseRef(text)
		if err != nil {
			t.Fatal(err)
		}
		id, err := NewKnown(known).API(ref)
		if reason, fails := strings.CutPrefix(want, "error: "); fails {
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: %v, %v", text, id, err)
			}
		} else if err != nil || id.String() != want {
			t.Errorf("%s: %v, %v", text, id, err)
		}
	}
	for _, text := range []string{"", " a", "a:b", "a:b:c"} {
		if ref, err := ParseRef(text); err == nil {
			t.Errorf("%q was read as %+v", text, ref)
		}
	}
}

func TestABareReferenceHasATargetIfItIsInOneAccountAndRegion(t *testing.T) {
	dev := prod
	dev.Stage = "dev"
	elsewhere := ID{Account: two, Region: "us-east-1", RestAPI: "zzz", Stage: "prod"}
	twice := elsewhere
	twice.Region = "eu-west-1"
	known := NewKnown(slices.Values([]ID{prod, dev, elsewhere, twice}))
	for text, want := range map[string]string{
		prod.RestAPI:                    prod.Target().String(),
		"zzz":                           "error: 2 accounts and regions",
		"nobody":                        "error: no listing has shown",
		"222222222222:eu-west-3:x:prod": "222222222222:eu-west-3", // whole: known or not
	} {
		ref, err := ParseRef(text)
		if err != nil {
			t.Fatal(err)
		}
		target, err := known.Target(ref)
		if reason, fails := strings.CutPrefix(want, "error: "); fails {
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: %v, %v", text, target, err)
			}
		} else if err != nil || target.String() != want {
			t.Errorf("%s: %v, %v", text, target, err)
		}
	}
}

func TestAJSONLogShowsIDsAsTheTextLogDoes(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "api", prod, "target", prod.Target())
	if want := `"api":"111111111111:eu-west-1:a1b2c3:prod","target":"111111111111:eu-west-1"}`; !strings.Contains(
		log.String(), want) {
		t.Error(log.String())
	}
}

func FuzzAnIDThatIsReadWritesItselfAgain(f *testing.F) {
	for _, seed := range []string{"111111111111:eu-west-1:a1b2c3:prod", "a", "a:b:c:d", ":::", "a:b:c:d:e", "é:☃:\x00:d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := ParseID(text); err == nil && id.String() != text {
			t.Errorf("%q became %q", text, id)
		}
		if ref, err := ParseRef(text); err == nil && !ref.Bare() && ref.ID.String() != text {
			t.Errorf("%q became %q", text, ref.ID)
		}
	})
}
