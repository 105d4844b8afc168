package federation

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestALongTextIsCutAfterAWholeCharacterWithAMark(t *testing.T) {
	for _, c := range []struct {
		text  string
		limit int
		want  string
	}{
		{"short", 5, "short"},
		{"longer", 5, "long…"},
		{"ends in space", 8, "ends in…"},
		{"éééé", 4, "éééé"},
		{"ééééé", 4, "ééé…"},
		{"🚀🚀🚀", 6, "🚀🚀🚀"}, // two UTF-16 units each
		{"🚀🚀🚀", 5, "🚀🚀…"},
		{"🚀🚀🚀", 4, "🚀…"},
		{"x", 0, ""},
		{"", 0, ""},
	} {
		if got := Cut(c.text, c.limit); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.text, c.limit, got, c.want)
		}
	}
}

func FuzzACutTextFitsAndIsValid(f *testing.F) {
	f.Add("some text", 5)
	f.Add("🚀\u200d🚀", 3)
	f.Add("\xff\xfe", 1)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = max(0, min(limit, 2000))
		text = line(text)
		got := Cut(text, limit)
		if !utf8.ValidString(got) || width(got) > limit {
			t.Errorf("Cut(%q, %d) = %q", text, limit, got)
		}
		if width(text) <= limit && got != text {
			t.Errorf("%q was cut to %q, but it fits", text, got)
		}
		if got != text && limit > 0 && !strings.HasSuffix(got, ellipsis) {
			t.Errorf("%q was cut to %q without a mark", text, got)
		}
	})
}

func TestTextIsMadePrintable(t *testing.T) {
	for in, want := range map[string]string{
		"  two\twords\n": "two words", "nul\x00byte": "nul byte", "bad\xffutf8": "bad\uFFFDutf8", "esc\x1b[31m": "esc [31m",
	} {
		if got := line(in); got != want {
			t.Errorf("line(%q) = %q", in, got)
		}
	}
	if got := prose(" first \r\nsecond\x00\n\n"); got != "first\nsecond" {
		t.Errorf("prose = %q", got)
	}
}
