package term_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"sigs.k8s.io/yaml"

	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

func TestCleanShowsWhatATerminalWouldObey(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                 "plain",
		"21天精通php":              "21天精通php",
		"\x1b[2Jgone":           `\x1b[2Jgone`,
		"a\nb\r\tc\x00":         `a\x0ab\x0d\x09c\x00`,
		"\u009b31m":             `\u009b31m`,
		"\u202edrowssap":        `\u202edrowssap`,
		"\xff\xfe":              `\xff\xfe`,
		"tag \U000e0041 hidden": `tag \U000e0041 hidden`,
	} {
		if got := term.Clean(in); got != want {
			t.Errorf("Clean(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzCleanJSONSaysTheSameWithoutControlCharacters(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[2J", "\u009b31m", "\u202e", "\U000e0041", "天", "\u2028", "\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := json.Marshal(map[string]string{"k": s})
		if err != nil {
			t.Fatal(err)
		}
		clean := term.CleanJSON(text)
		if strings.ContainsFunc(string(clean), func(r rune) bool { return !unicode.IsPrint(r) && r != unicode.ReplacementChar }) {
			t.Errorf("%q is not clean", clean)
		}
		var before, after map[string]string
		if err := json.Unmarshal(text, &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(clean, &after); err != nil {
			t.Fatalf("%s: %v", clean, err)
		}
		if before["k"] != after["k"] {
			t.Errorf("%q became %q", before["k"], after["k"])
		}
	})
}

func TestTablesAlignTextOfAnyWidthAndDropEmptyColumns(t *testing.T) {
	table := &term.Table{Header: []string{"NAME", "ZONE", "N"}, OmitEmpty: true}
	table.Row("天天", "", "1")
	table.Row("abcdef", "", "22")
	var b strings.Builder
	if err := table.Write(&b, false); err != nil {
		t.Fatal(err)
	}
	if want := "NAME    N\n天天    1\nabcdef  22\n"; b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestColoursDoNotMoveColumns(t *testing.T) {
	table := &term.Table{Header: []string{"S", "N"}}
	table.Rows = [][]term.Cell{{{Text: "ok", Style: term.Green}, {Text: "1"}}}
	var b strings.Builder
	if err := table.Write(&b, true); err != nil {
		t.Fatal(err)
	}
	if want := "\x1b[1mS\x1b[0m   \x1b[1mN\x1b[0m\n\x1b[32mok\x1b[0m  1\n"; b.String() != want {
		t.Errorf("got %q", b.String())
	}
}

func TestYAMLWritesNestedCollections(t *testing.T) {
	got, err := term.YAML([]byte(`{"list":[{"id":1,"none":null},[true,[]]],"Odd key":{"a":"b"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := `list:
  -
    id: 1
    none: null
  -
    - true
    - []
"Odd key":
  "a": "b"
`
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
}

func FuzzYAMLSaysWhatTheJSONSays(f *testing.F) {
	for _, s := range []string{
		`{}`, `[]`, `null`, `"a"`, `[1,-2.5e3,true]`, `{"a":{"b":[]},"yes":"no","null":null}`,
		`[[{"id":"x","on":"off"}],"\u202e\u001b","12:30","- x","# y"]`, `{"":"","a: b":1,"id":{"true":{}}}`,
		`{"tags":["a"],"metadata":{"k":"\u0085\u2028\ufeff"}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want any
		if json.Unmarshal([]byte(s), &want) != nil {
			return
		}
		compact, err := json.Marshal(want) // without duplicate keys and broken UTF-8
		if err != nil {
			t.Fatal(err)
		}
		text, err := term.YAML(compact)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := yaml.Unmarshal(text, &got); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s became %v by\n%s", compact, got, text)
		}
	})
}
