package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

// changeLine is one change of a service, for people.
type changeLine struct {
	at    time.Time
	sign  string // + added, - removed, ~ changed, ! stale, = confirmed
	style term.Style
	text  string
}

func (l changeLine) write(w io.Writer, colours bool) error {
	_, err := fmt.Fprintf(w, "%s %s %s\n", l.at.Format("15:04:05.000"), l.style.Paint(l.sign, colours), term.Clean(l.text))
	return err
}

// describe puts a change into words.
func describe(c adsum.Change, wasStale bool) []changeLine {
	var lines []changeLine
	add := func(sign string, style term.Style, format string, args ...any) {
		lines = append(lines, changeLine{c.Time, sign, style, fmt.Sprintf(format, args...)})
	}
	for _, in := range c.Added {
		add("+", term.Green, "%s", sketch(in))
	}
	for _, in := range c.Removed {
		add("-", term.Red, "%s", identity(in))
	}
	for _, r := range c.Changed {
		add("~", term.Yellow, "%s  %s", identity(r.New), strings.Join(differences(r.Old, r.New), ", "))
	}
	switch stale := c.Snapshot.Stale(); {
	case stale && !wasStale:
		why := "no longer confirmed by the registry"
		if c.Snapshot.Err != nil {
			why += ": " + c.Snapshot.Err.Error()
		}
		add("!", term.Yellow, "stale, instances kept: %d; %s", len(c.Snapshot.Instances), why)
	case wasStale && !stale:
		add("=", term.Green, "confirmed again, instances: %d", len(c.Snapshot.Instances))
	case len(lines) == 0 && len(c.Snapshot.Instances) == 0:
		add("=", term.Dim, "no instances")
	}
	return lines
}

func identity(in *adsum.Instance) string {
	if in.ID == in.Addr {
		return in.ID
	}
	return in.ID + " (" + in.Addr + ")"
}

// sketch is an instance on one line, with what is not as usual about it.
func sketch(in *adsum.Instance) string {
	usual := fields(&adsum.Instance{Addr: in.Addr, Weight: adsum.DefaultWeight})
	parts := []string{identity(in)}
	for i, f := range fields(in) {
		switch {
		case f.value == usual[i].value:
		case f.name == "status":
			parts = append(parts, f.value)
		default:
			parts = append(parts, f.name+"="+f.value)
		}
	}
	return strings.Join(parts, "  ")
}

// differences lists what an instance says that it did not say before.
func differences(older, newer *adsum.Instance) []string {
	var list []string
	before := fields(older)
	for i, f := range fields(newer) {
		if f != before[i] {
			list = append(list, fmt.Sprintf("%s %s → %s", f.name, shown(before[i].value), shown(f.value)))
		}
	}
	return list
}

func shown(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

type field struct{ name, value string }

// fields are those parts of an instance that may change, in a fixed order.
func fields(in *adsum.Instance) []field {
	return []field{
		{"status", string(in.Status)}, {"reason", in.Reason}, {"addr", in.Addr}, {"weight", fmt.Sprint(in.Weight)},
		{"zone", in.Zone}, {"version", in.Version}, {"tags", strings.Join(slices.Sorted(slices.Values(in.Tags)), ",")},
		{"endpoints", pairs(in.Endpoints)}, {"metadata", pairs(in.Metadata)}, {"reported", string(in.Reported)},
	}
}
