package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strings"

	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

// print writes data in the chosen machine-readable form, or calls people for
// the forms that a command shapes itself: table, wide and name.
func (f *Factory) print(data any, people func() error) error {
	switch f.Output {
	case FormatJSON:
		return f.printJSON(data, "  ")
	case FormatJSONL:
		v := reflect.ValueOf(data)
		if v.Kind() != reflect.Slice {
			return f.printJSON(data, "")
		}
		for i := range v.Len() {
			if err := f.printJSON(v.Index(i).Interface(), ""); err != nil {
				return err
			}
		}
		return nil
	case FormatYAML:
		text, err := encodeJSON(data, "")
		if err != nil {
			return err
		}
		if text, err = term.YAML(text); err != nil {
			return err
		}
		_, err = f.Out.Write(text)
		return err
	}
	return people()
}

func (f *Factory) printJSON(data any, indent string) error {
	text, err := encodeJSON(data, indent)
	if err != nil {
		return err
	}
	_, err = f.Out.Write(text)
	return err
}

// printNames writes the name of each of them, one a line.
func printNames[T any](f *Factory, all []T, name func(T) string) error {
	var b strings.Builder
	for _, each := range all {
		b.WriteString(term.Clean(name(each)) + "\n")
	}
	_, err := io.WriteString(f.Out, b.String())
	return err
}

// encodeJSON ends in a line break, leaves <, > and & readable, and holds
// nothing a terminal would obey.
func encodeJSON(data any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(data); err != nil {
		return nil, err
	}
	return term.CleanJSON(b.Bytes()), nil
}
