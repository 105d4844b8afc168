package words

import (
	"strconv"
	"strings"
	"testing"
	"time"
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

func TestATextIsCutAfterAWholeLetter(t *testing.T) {
	for _, c := range []struct {
		text  string
		most  int
		cut   string
		short string
	}{
		{"abc", 3, "abc", "abc"},
		{"abcd", 3, "abc", "abc…"},
		{"aää", 2, "a", "a…"},
		{"a€€", 3, "a", "a…"},
		{"😀😀", 7, "😀", "😀…"},
		{"😀", 3, "", "…"},
		{"a", 0, "", "…"},
		{"\x80\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80\x80", "\x80\x80\x80\x80\x80…"}, // no text
	} {
		if cut, short := Cut(c.text, c.most), Shorter(c.text, c.most); cut != c.cut || short != c.short {
			t.Errorf("%q, %d: %q and %q", c.text, c.most, cut, short)
		}
	}
}

func TestATimeIsSaidWithoutWhatDoesNotMatter(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s ago", 59*time.Second + 999*time.Millisecond: "59 s ago", time.Minute: "1 min ago",
		time.Hour - 1: "59 min ago", 90 * time.Minute: "1 h ago", 48*time.Hour - 1: "47 h ago", 48 * time.Hour: "2 days ago",
		-8 * time.Second: "in 8 s",
	} {
		if got := Ago(d); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
}

func TestAPlaceIsNamedAsTheFlagsAndTheLogNameIt(t *testing.T) {
	if got := Place("111122223333", "eu-west-1") + " " + Place("", "eu-west-1"); got != "111122223333:eu-west-1 eu-west-1" {
		t.Error(got)
	}
}
