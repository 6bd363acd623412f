package cli

import (
	"fmt"
	"slices"
	"strings"
)

// Format is a value of --output.
type Format string

// The forms in which data is written to standard output.
const (
	FormatTable Format = "table" // for people
	FormatWide  Format = "wide"  // for people with a wide window
	FormatJSON  Format = "json"  // one document
	FormatJSONL Format = "jsonl" // one document a line
	FormatYAML  Format = "yaml"
	FormatName  Format = "name" // only names, one a line
)

var formats = []Format{FormatTable, FormatWide, FormatJSON, FormatJSONL, FormatYAML, FormatName}

// String, Set and Type make Format a flag that refuses what it does not know.
func (f *Format) String() string { return string(*f) }

// Type is the placeholder in the help text.
func (f *Format) Type() string { return "format" }

// Set accepts one of the formats.
func (f *Format) Set(s string) error {
	if !slices.Contains(formats, Format(s)) {
		return fmt.Errorf("use one of %s", strings.Join(formatNames(), ", "))
	}
	*f = Format(s)
	return nil
}

func formatNames() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = string(f)
	}
	return names
}
