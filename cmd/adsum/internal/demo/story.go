package demo

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

// story writes what happens, one line an event, with the time since it began.
type story struct {
	out     io.Writer
	colours bool
	wait    func(text string)
	began   time.Time
	failed  []string // what was claimed and did not happen
}

// tell writes an event under the name of who it happened to.
func (s *story) tell(style term.Style, who, format string, args ...any) {
	s.wait("")
	fmt.Fprintf(s.out, "%6.2fs  %s %s\n", time.Since(s.began).Seconds(),
		style.Paint(fmt.Sprintf("%-10s", who), s.colours), term.Clean(fmt.Sprintf(format, args...)))
}

// claim checks what the demo promises, and tells of it only when it is broken.
func (s *story) claim(kept bool, format string, args ...any) {
	if kept {
		return
	}
	text := fmt.Sprintf(format, args...)
	s.failed = append(s.failed, text)
	s.tell(term.Red, "BROKEN", "%s", text)
}

// heading parts the acts.
func (s *story) heading(text string) {
	s.wait("")
	fmt.Fprintf(s.out, "\n%s\n", term.Bold.Paint(text, s.colours))
}

// sum writes the summary's rows.
func (s *story) sum(rows [][2]string) {
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	for _, row := range rows {
		fmt.Fprintf(s.out, "  %s%s  %s\n", row[0], strings.Repeat(" ", width-len(row[0])), term.Clean(row[1]))
	}
}

// short rounds a duration to what a reader can take in.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "0ms"
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
