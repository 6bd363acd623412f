package caller

import (
	"fmt"
	"strings"
	"unicode"
)

// eachHeader takes headers of the form "Name: value" apart.
func eachHeader(lines []string, add func(name, value string)) error {
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") {
			return fmt.Errorf("%w: header %q is not of the form 'Name: value'", ErrRequest, line)
		}
		if value = strings.TrimSpace(value); strings.ContainsFunc(value, unprintable) {
			return fmt.Errorf("%w: the value of header %q has a control character", ErrRequest, name)
		}
		add(name, value)
	}
	return nil
}

func unprintable(r rune) bool {
	return r != '\t' && unicode.IsControl(r)
}
