package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
	"github.com/adsum-go/adsum/lb"
)

// mostRecent is how many of a client's last picks a table shows.
const mostRecent = 10

// show prints clients and their picks for people.
func (opts *explainOptions) show(clients []explained) error {
	for i, client := range clients {
		if opts.Output == FormatName {
			if err := printNames(opts.Factory, client.Explanations, func(x lb.Explanation) string { return x.Chosen }); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			opts.linef("")
		}
		opts.linef("%s", client.title())
		if client.Panicking {
			opts.linef("PANIC: more than half of the copies fail, and all of them are called again")
		}
		if client.Error != "" {
			opts.linef("last error of the registry: %s", client.Error)
		}
		if err := opts.copies(client).Write(opts.Out, opts.Colours()); err != nil {
			return err
		}
		opts.rule(client.Explanations)
		if err := opts.recent(client.Recent); err != nil {
			return err
		}
	}
	return nil
}

// linef writes a line of data, cleaned.
func (opts *explainOptions) linef(format string, args ...any) {
	fmt.Fprintln(opts.Out, term.Clean(fmt.Sprintf(format, args...)))
}

// copies lists the copies as the last pick found them, and how often each was
// picked.
func (opts *explainOptions) copies(client explained) *term.Table {
	table := &term.Table{Header: []string{"COPY", "ADDR", "ZONE", "STATUS", "WEIGHT", "IN FLIGHT", "LATENCY", "SCORE", "PICKED", "LEFT OUT"}, OmitEmpty: true}
	copies, picked := client.Endpoints, map[string]int{}
	for _, x := range client.Explanations {
		copies = x.Candidates
		picked[x.Chosen]++
	}
	for _, c := range copies {
		style := term.Plain
		switch {
		case c.Chosen:
			style = term.Green
		case c.Reason != "":
			style = term.Dim
		}
		row := []term.Cell{{Text: c.ID, Style: style}}
		for _, text := range []string{
			elsewhere(c), c.Zone, string(c.Status), strconv.FormatFloat(c.Weight, 'g', 3, 64), positive(c.InFlight), latencyText(c.LatencySeconds),
			scoreText(c.Score), positive(int64(picked[c.ID])), whyText(c),
		} {
			row = append(row, term.Cell{Text: text})
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// rule tells how the picks were made, as far as they were alike.
func (opts *explainOptions) rule(picks []lb.Explanation) {
	if len(picks) == 0 {
		return
	}
	x := picks[len(picks)-1]
	if x.Rule != "" {
		opts.linef("rule: %s", x.Rule)
	}
	if x.Zone == "" {
		return
	}
	away := 0
	for _, x := range picks {
		if x.SpillOver {
			away++
		}
	}
	opts.linef("zone: %s, where %.0f%% of the calls stay; %d of %d picks spilled over", x.Zone, 100*x.Stays, away, len(picks))
}

// recent lists the last real picks.
func (opts *explainOptions) recent(picks []lb.Explanation) error {
	if len(picks) == 0 {
		return nil
	}
	opts.linef("")
	opts.linef("last picks:")
	table := &term.Table{Header: []string{"TIME", "PICKED", "SCORE", "INSTEAD OF", "TRIED BEFORE", "LEFT OUT"}, OmitEmpty: true}
	for _, x := range picks[:min(mostRecent, len(picks))] {
		var score, instead string
		for _, c := range x.Candidates {
			if c.Chosen {
				score = scoreText(c.Score)
			} else if c.Score != nil {
				instead += fmt.Sprintf(", %s (%s)", c.ID, scoreText(c.Score))
			}
		}
		chosen := x.Chosen
		if chosen == "" {
			chosen = nobody + ": " + x.Error
		}
		table.Row(x.Time.Local().Format("15:04:05.000"), chosen, score, strings.TrimPrefix(instead, ", "), strings.Join(x.Tried, ", "), leftText(x))
	}
	return table.Write(opts.Out, opts.Colours())
}

// leftText counts who was left out, by reason.
func leftText(x lb.Explanation) string {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(x.LeftOut)) {
		parts = append(parts, fmt.Sprintf("%d %s", x.LeftOut[reason], reason))
	}
	if x.SpillOver {
		parts = append(parts, "spilled over")
	}
	if x.Panicking {
		parts = append(parts, "panicking")
	}
	return strings.Join(parts, ", ")
}

// elsewhere is the address where the id does not tell it.
func elsewhere(c lb.Candidate) string {
	if c.Addr == c.ID {
		return ""
	}
	return c.Addr
}

func positive(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func latencyText(seconds float64) string {
	if seconds <= 0 {
		return ""
	}
	return short(time.Duration(seconds * float64(time.Second)))
}

func scoreText(score *float64) string {
	if score == nil {
		return ""
	}
	return strconv.FormatFloat(*score, 'g', 4, 64)
}

// whyText is why a copy was left out, with what is known of it.
func whyText(c lb.Candidate) string {
	text := string(c.Reason)
	switch {
	case c.Reason == lb.ReasonStatus && c.Detail != "":
		return c.Detail
	case c.Detail != "":
		text += ": " + c.Detail
	}
	if c.EjectedUntil == nil {
		return text
	}
	until := "until " + c.EjectedUntil.Local().Format("15:04:05")
	if text == "" {
		return "ejected " + until + ", and called in the panic"
	}
	return text + ", " + until
}
