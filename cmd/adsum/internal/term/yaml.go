package term

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// YAML rewrites JSON as block YAML with the keys in the order they came.
// Strings stay JSON strings, which YAML reads as they are: no value can turn
// into a number, a boolean or a terminal sequence on the way.
func YAML(text []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var b strings.Builder
	for {
		t, err := d.Token()
		if err == io.EOF {
			return CleanJSON([]byte(strings.TrimPrefix(b.String(), "\n"))), nil
		}
		if err != nil {
			return nil, err
		}
		if b.Len() > 0 {
			b.WriteString("---")
		}
		if err := yamlValue(&b, d, t, ""); err != nil {
			return nil, err
		}
	}
}

// yamlValue writes the value that begins with t, led by the space or line
// break that parts it from what stands before it.
func yamlValue(b *strings.Builder, d *json.Decoder, t json.Token, indent string) error {
	delim, composite := t.(json.Delim)
	if !composite {
		text, err := scalar(t)
		b.WriteString(" " + text + "\n")
		return err
	}
	if !d.More() {
		b.WriteString(map[json.Delim]string{'{': " {}\n", '[': " []\n"}[delim])
	} else {
		b.WriteString("\n")
	}
	for d.More() {
		b.WriteString(indent)
		if delim == '[' {
			b.WriteString("-")
		} else if err := yamlKey(b, d); err != nil {
			return err
		}
		next, err := d.Token()
		if err != nil {
			return err
		}
		if err := yamlValue(b, d, next, indent+"  "); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// plainKey is what reads as text without quotes in every version of YAML.
var plainKey = regexp.MustCompile(`^[a-z_]{4,}$`)

func yamlKey(b *strings.Builder, d *json.Decoder) error {
	key, err := d.Token()
	if err != nil {
		return err
	}
	text, err := scalar(key)
	if plain := strings.Trim(text, `"`); plainKey.MatchString(plain) && plain != "true" && plain != "false" && plain != "null" || plain == "id" {
		text = plain
	}
	b.WriteString(text + ":")
	return err
}

func scalar(t json.Token) (string, error) {
	switch t := t.(type) {
	case string:
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		err := e.Encode(t)
		return strings.TrimSpace(b.String()), err
	case nil:
		return "null", nil
	default:
		return fmt.Sprint(t), nil
	}
}
