// Package term keeps what is written to a terminal safe and plain: foreign
// text without control sequences, tables, colours only where wanted.
package term

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes foreign text safe to print on one line: whatever a terminal
// might obey (escape sequences, line breaks, direction marks) comes out as a
// visible escape. Printable text of any language stays as it is.
func Clean(s string) string {
	if strings.IndexFunc(s, unsafe) < 0 {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case !unsafe(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// CleanJSON replaces, in well-formed JSON, the characters that encoding/json
// leaves alone and a terminal might obey by \u escapes. Both say the same to
// whoever decodes it.
func CleanJSON(json []byte) []byte {
	foreign := func(r rune) bool { return r >= 0x7f && unsafe(r) }
	if bytes.IndexFunc(json, foreign) < 0 {
		return json
	}
	var b bytes.Buffer
	for _, r := range string(json) {
		switch {
		case !foreign(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.Bytes()
}

// unsafe tells what is not shown as a character of its own. RuneError is in
// it so that broken UTF-8 is found.
func unsafe(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
