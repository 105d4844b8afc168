package federation

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	one = "111111111111"
	two = "222222222222"
)

func named(name, account, region, api, stage string) Named {
	return Named{ID: ID{Account: account, Region: region, RestAPI: api, Stage: stage}, Name: name}
}

func namesOf(n Names, catalogue []Named) []string {
	out := make([]string, len(catalogue))
	for i, c := range catalogue {
		out[i] = n.Of(c.ID, c.Name)
	}
	return out
}

func TestNamesShowTheFewestPartsThatMakeThemUnique(t *testing.T) {
	for name, c := range map[string]struct {
		catalogue []Named
		want      []string
	}{
		"one": {
			[]Named{named("Orders", one, "eu-west-1", "a", "prod")},
			[]string{"Orders"}},
		"stages": {
			[]Named{named("Orders", one, "eu-west-1", "a", "prod"), named("Orders", one, "eu-west-1", "a", "dev")},
			[]string{"Orders [prod]", "Orders [dev]"}},
		"stages of different REST APIs": {
			[]Named{named("Orders", one, "eu-west-1", "a", "prod"), named("Orders", one, "eu-west-1", "b", "dev")},
			[]string{"Orders [prod]", "Orders [dev]"}},
		"regions": {
			[]Named{named("Orders", one, "eu-west-1", "a", "prod"), named("Orders", one, "us-east-1", "b", "prod")},
			[]string{"Orders [eu-west-1]", "Orders [us-east-1]"}},
		"accounts": {
			[]Named{named("Orders", one, "eu-west-1", "a", "prod"), named("Orders", two, "eu-west-1", "b", "prod")},
			[]string{"Orders [111111111111]", "Orders [222222222222]"}},
		"stages and regions": {
			[]Named{
				named("Orders", one, "eu-west-1", "a", "prod"), named("Orders", one, "eu-west-1", "a", "dev"),
				named("Orders", one, "us-east-1", "b", "prod"),
			},
			[]string{"Orders [prod, eu-west-1]", "Orders [dev, eu-west-1]", "Orders [prod, us-east-1]"}},
		"stages and accounts": {
			[]Named{
				named("Orders", one, "eu-west-1", "a", "prod"), named("Orders", one, "eu-west-1", "a", "dev"),
				named("Orders", two, "eu-west-1", "b", "prod"),
			},
			[]string{"Orders [prod, 111111111111]", "Orders [dev, 111111111111]", "Orders [prod, 222222222222]"}},
		"stages before regions where both would do": {
			[]Named{named("Orders", one, "eu-west-1", "a", "prod"), named("Orders", one, "us-east-1", "b", "dev")},
			[]string{"Orders [prod]", "Orders [dev]"}},
		"everything": {
			[]Named{
				named("O", one, "r1", "a", "prod"), named("O", one, "r1", "a", "dev"), named("O", one, "r2", "b", "prod"),
				named("O", two, "r1", "c", "prod"),
			},
			[]string{
				"O [prod, r1, 111111111111]", "O [dev, r1, 111111111111]", "O [prod, r2, 111111111111]",
				"O [prod, r1, 222222222222]",
			}},
		"REST APIs that differ in nothing else": {
			[]Named{named("Orders", one, "eu-west-1", "a", "prod"), named("Orders", one, "eu-west-1", "b", "prod")},
			[]string{"Orders [a]", "Orders [b]"}},
		"REST APIs with stages": {
			[]Named{named("O", one, "r", "a", "prod"), named("O", one, "r", "a", "dev"), named("O", one, "r", "b", "prod")},
			[]string{"O [prod, a]", "O [dev, a]", "O [prod, b]"}},
		"a name that looks like a result": {
			[]Named{named("O", one, "r", "a", "prod"), named("O", one, "r", "a", "dev"), named("O [prod]", one, "r", "b", "x")},
			[]string{"O [prod, r]", "O [dev, r]", "O [prod] [x]"}},
		"other names stay": {
			[]Named{named("O", one, "r", "a", "prod"), named("O", one, "r", "a", "dev"), named("P", one, "r", "b", "prod")},
			[]string{"O [prod]", "O [dev]", "P"}},
		"no name at all": {
			[]Named{named(" \x00", one, "r", "a1b2c3", "prod")},
			[]string{"a1b2c3"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, namesOf(NewNames(c.catalogue), c.catalogue)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnAPIThatIsNotInTheCatalogueShowsItsStage(t *testing.T) {
	var unknown Names
	if got := unknown.Of(prod, "Orders"); got != "Orders [prod]" {
		t.Errorf("name = %s", got)
	}
	if got := NewNames(nil).Of(prod, "Orders"); got != "Orders [prod]" {
		t.Errorf("an API that came after the catalogue is called %s", got)
	}
}

func TestNamesDependOnlyOnTheWholeCatalogue(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	catalogue := estate(random, 300)
	want := map[ID]string{}
	for i, name := range namesOf(NewNames(catalogue), catalogue) {
		want[catalogue[i].ID] = name
	}
	for range 20 {
		random.Shuffle(len(catalogue), func(i, j int) { catalogue[i], catalogue[j] = catalogue[j], catalogue[i] })
		names := NewNames(append(catalogue, catalogue[:10]...)) // a pair that is given twice counts once
		for _, c := range catalogue[:50] {
			if got := names.Of(c.ID, c.Name); got != want[c.ID] {
				t.Fatalf("%s was %q and is %q", c.ID, want[c.ID], got)
			}
		}
	}
}

func TestAllNamesAreUniqueAndWithinTheLimit(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 7))
		catalogue := estate(random, 200)
		seen := map[string]ID{}
		names := NewNames(catalogue)
		for _, c := range catalogue {
			name := names.Of(c.ID, c.Name)
			if other, taken := seen[name]; taken {
				t.Fatalf("seed %d: %s and %s are both %q", seed, other, c.ID, name)
			}
			if width(name) > MaxAPIName {
				t.Fatalf("seed %d: %q is too long", seed, name)
			}
			seen[name] = c.ID
		}
	}
}

func TestNamesThatAreCutAreStillUnique(t *testing.T) {
	long := strings.Repeat("x", 1000)
	catalogue := []Named{named(long+"1", one, "r", "a", "prod"), named(long+"2", one, "r", "b", "prod")}
	got := namesOf(NewNames(catalogue), catalogue)
	if got[0] == got[1] || width(got[0]) > MaxAPIName || !strings.Contains(got[0], ellipsis) {
		t.Errorf("%q and %q", got[0], got[1])
	}
}

// estate is a catalogue with few names. Some of them look like names with brackets.
func estate(random *rand.Rand, n int) []Named {
	names := []string{
		"O", "O [prod]", "O [prod, r1]", "O [r1]", "O [prod, r1, 111111111111]", "O [prod, r1, 111111111111, a1]", "P",
	}
	all := map[ID]Named{}
	for range n {
		api := fmt.Sprint("a", random.IntN(40))
		account, region := []string{one, two}[random.IntN(2)], fmt.Sprint("r", random.IntN(3))
		stage := []string{"prod", "dev", "test"}[random.IntN(3)]
		c := named(names[(len(api)*7+int(api[1]))%len(names)], account, region, api, stage)
		all[c.ID] = c
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Named) int { return CompareIDs(a.ID, b.ID) })
}

func TestStagesThatDoNotExistLengthenNoName(t *testing.T) {
	prod := named("Orders", one, "eu-west-1", "a", "prod")
	dev := named("Orders", one, "eu-west-1", "a", "dev")
	test := named("Orders", one, "eu-west-1", "a", "test")
	for name, c := range map[string]struct {
		others []Named
		living []string
		want   string
	}{
		"all exist":              {[]Named{dev}, []string{"prod", "dev"}, "Orders [prod]"},
		"the other one is gone":  {[]Named{dev}, []string{"prod"}, "Orders"},
		"one of the two is gone": {[]Named{dev, test}, []string{"prod", "test"}, "Orders [prod]"},
		"another REST API has the same stages": {
			[]Named{dev, named("Orders", one, "us-east-1", "b", "dev")}, []string{"prod"}, "Orders [prod]"},
		"another REST API has the same stage": {
			[]Named{dev, named("Orders", one, "us-east-1", "b", "prod")}, []string{"prod"}, "Orders [eu-west-1]"},
		"another REST API's own name": {
			[]Named{dev, named("Orders", one, "us-east-1", "b", "prod"), named("Orders [eu-west-1]", one, "us-east-1", "c", "x")},
			[]string{"prod"}, "Orders [prod, eu-west-1]"},
		"it is the only one": {nil, []string{"prod"}, "Orders"},
	} {
		t.Run(name, func(t *testing.T) {
			names := NewNames(append([]Named{prod}, c.others...))
			if got := names.OfLiving(prod.ID, prod.Name, c.living); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			for _, other := range c.others {
				if other.ID.RestAPI != "a" && names.Of(other.ID, other.Name) == c.want {
					t.Errorf("%s bears the same name", other.ID)
				}
			}
		})
	}
	if got := (Names{}).OfLiving(prod.ID, prod.Name, nil); got != "Orders [prod]" {
		t.Errorf("before the first listing: %q", got)
	}
}
