package rawjson

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzMembersAreThoseThatTheStandardLibraryFinds(f *testing.F) {
	for _, seed := range []string{
		"", "{", `{"`, `{"a`, `{"a"`, `{"a":`, `{"a":1`, `{"a":"\`, `{"a":{"b":[1,2,"]}"]},"c":null,"d":-1.5e3}`, ` { } `,
		`{"a\"":"b\\","a":true}`, `{"a":]}`, `{"a" "b"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := map[string]any{}
		for m := range Members(text) {
			if !slices.Equal(text[m.From:m.From+len(m.Value)], m.Value) {
				t.Fatalf("%s does not begin at %d of %s", m.Value, m.From, text)
			}
			var key string
			var value any
			if json.Unmarshal(m.Key, &key) == nil && json.Unmarshal(m.Value, &value) == nil {
				got[key] = value
			}
		}
		var want map[string]any
		if json.Unmarshal(text, &want) != nil || want == nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	})
}

func FuzzElementsAreThoseThatTheStandardLibraryFinds(f *testing.F) {
	for _, seed := range []string{
		"", "[", "[]", " [ ] ", "[1", `["a`, `[1,"],",{"a":[1,2]},[[]],null,true,-1.5e3]`, ` [ 1 , 2 ] `, "[,]", "[1 2]", "{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want []any
		if json.Unmarshal(text, &want) != nil {
			for range Elements(text) { // it ends
			}
			return
		}
		var got []any
		for element := range Elements(text) {
			var value any
			if err := json.Unmarshal(element, &value); err != nil {
				t.Fatalf("%s in %s: %v", element, text, err)
			}
			got = append(got, value)
		}
		if len(got)+len(want) > 0 && !cmp.Equal(want, got) {
			t.Errorf("%s: %s", text, cmp.Diff(want, got))
		}
	})
}
