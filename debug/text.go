package debug

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// How much is shown to people; JSON has all of it.
const (
	mostCopies = 100
	mostRecent = 10
)

// writeText writes a report for people.
func writeText(w io.Writer, report Report) {
	if len(report.Services) == 0 {
		fmt.Fprintln(w, "This program calls no service now.")
		return
	}
	for i, s := range report.Services {
		if i > 0 {
			fmt.Fprintln(w)
		}
		writeService(w, s)
	}
}

func writeService(w io.Writer, s Service) {
	fmt.Fprintf(w, "%s over %s, by %s; %s\n", clean(s.Service), clean(s.Transport), clean(s.Policy), age(s.Inspection))
	if s.Panicking {
		fmt.Fprintln(w, "PANIC: more than half of the copies fail, and all of them are called again")
	}
	if s.Error != "" {
		fmt.Fprintf(w, "last error of the registry: %s\n", clean(s.Error))
	}
	writeCopies(w, s.Endpoints)
	for _, x := range s.Explanations {
		fmt.Fprintf(w, "\nwould pick now: %s\n", summary(x))
		writeScores(w, x)
	}
	if len(s.Recent) > 0 {
		fmt.Fprintf(w, "\nlast picks, of %d recorded:\n", len(s.Recent))
		for _, x := range s.Recent[:min(mostRecent, len(s.Recent))] {
			fmt.Fprintf(w, "%s  %s\n", x.Time.Format("15:04:05.000"), summary(x))
		}
	}
}

// age says what is known and since when.
func age(i lb.Inspection) string {
	switch {
	case i.Generation == 0:
		return "nothing is known of it yet"
	case i.FromDisk:
		return fmt.Sprintf("generation %d, from disk: the registry has not answered yet", i.Generation)
	case i.Stale:
		return fmt.Sprintf("generation %d, STALE: last confirmed %s ago", i.Generation, cmp.Or(seconds(i.AgeSeconds), "0s"))
	default:
		return fmt.Sprintf("generation %d, confirmed %s ago", i.Generation, cmp.Or(seconds(i.AgeSeconds), "0s"))
	}
}

func writeCopies(w io.Writer, copies []lb.Candidate) {
	var table bytes.Buffer
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "COPY\tADDR\tZONE\tSTATUS\tWEIGHT\tIN FLIGHT\tLATENCY\tLEFT OUT")
	for _, c := range copies[:min(mostCopies, len(copies))] {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%.4g\t%d\t%s\t%s\n",
			clean(c.ID), clean(c.Addr), clean(c.Zone), clean(string(c.Status)), c.Weight, c.InFlight, seconds(c.LatencySeconds), why(c))
	}
	t.Flush()
	for line := range strings.Lines(table.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
	if more := len(copies) - mostCopies; more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
}

// why is the reason for leaving out a copy, in a line.
func why(c lb.Candidate) string {
	text := string(c.Reason)
	if c.Detail != "" {
		text += ": " + c.Detail
	}
	if text == "" && c.EjectedUntil != nil {
		text = "ejected until " + c.EjectedUntil.Format("15:04:05") + ", and called in the panic"
	}
	return clean(text)
}

// summary is a pick in a line.
func summary(x lb.Explanation) string {
	var b strings.Builder
	if x.Chosen == "" {
		b.WriteString("nobody: " + x.Error)
	} else {
		fmt.Fprintf(&b, "%s", x.Chosen)
		if x.Rule != "" {
			b.WriteString(", " + x.Rule)
		}
	}
	if len(x.Tried) > 0 {
		fmt.Fprintf(&b, "; tried before: %s", strings.Join(x.Tried, ", "))
	}
	if x.SpillOver {
		fmt.Fprintf(&b, "; spilled over from zone %s", x.Zone)
	}
	if x.Panicking {
		b.WriteString("; panicking")
	}
	if len(x.LeftOut) > 0 {
		fmt.Fprintf(&b, "; left out: %s", counts(x.LeftOut))
	}
	return clean(b.String())
}

func counts(left map[lb.Reason]int) string {
	var all []string
	for reason, n := range left {
		all = append(all, fmt.Sprintf("%d %s", n, reason))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// writeScores lists those who were compared.
func writeScores(w io.Writer, x lb.Explanation) {
	for _, c := range x.Candidates {
		if c.Score == nil {
			continue
		}
		mark := " "
		if c.Chosen {
			mark = "*"
		}
		fmt.Fprintf(w, "%s %s: %.4g\n", mark, clean(c.ID), *c.Score)
	}
}

// seconds is a time for people, "" for none.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d == 0:
		return ""
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	default:
		return d.Round(100 * time.Millisecond).String()
	}
}
