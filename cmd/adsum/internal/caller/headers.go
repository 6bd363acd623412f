package caller

import (
	"fmt"
	"strings"
)

// eachHeader takes headers of the form "Name: value" apart.
func eachHeader(lines []string, add func(name, value string)) error {
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !ok || name == "" || strings.ContainsAny(name, " \t\r\n") {
			return fmt.Errorf("%w: header %q is not of the form 'Name: value'", ErrRequest, line)
		}
		add(name, strings.TrimSpace(value))
	}
	return nil
}
