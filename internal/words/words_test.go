package words

import (
	"strconv"
	"strings"
	"testing"
)

func TestAListOfAnyLengthIsShortToRead(t *testing.T) {
	many := make([]string, 200_000)
	for n := range many {
		many[n] = strconv.Itoa(n)
	}
	long := strings.Repeat("ä", 1<<20)
	for name, c := range map[string]struct {
		all  []string
		want string
	}{
		"none":                        {nil, ""},
		"one":                         {[]string{"a"}, "a"},
		"as many":                     {[]string{"a", "b", "c"}, "a, b, c"},
		"more":                        {[]string{"a", "b", "c", "d", "e"}, "a, b, c and 2 more"},
		"very many":                   {many, "0, 1, 2 and 199997 more"},
		"a long one":                  {[]string{"a", long}, "a, " + long[:maxWord] + "…"},
		"a long one, cut in a letter": {[]string{"x" + long}, "x" + long[:maxWord-2] + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Few(c.all, Some, ", "); got != c.want {
				t.Errorf("%.400s, want %s", got, c.want)
			}
		})
	}
}

func TestTheMostFrequentNameComesFirst(t *testing.T) {
	got := strings.Join(MostFirst(map[string]int{"b": 2, "rare": 1, "a": 2, "most": 3}), " ")
	if got != "most a b rare" {
		t.Errorf("%s", got)
	}
}
