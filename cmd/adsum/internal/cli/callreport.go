package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adsum-go/adsum/cmd/adsum/internal/caller"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

// nobody is who answered a call that reached no copy, for people.
const nobody = "nobody"

// called is one call in machine-readable form.
type called struct {
	N      int       `json:"n"`
	Time   time.Time `json:"time"`
	ID     string    `json:"id"`
	Addr   string    `json:"addr"`
	Status string    `json:"status"`
	// Seconds from the start of the call to its end.
	Seconds float64 `json:"seconds"`
	// Response is the answer: a list if the method streams.
	Response any    `json:"response"`
	Error    string `json:"error"`
}

// share is what one copy had of the calls.
type share struct {
	ID      string  `json:"id"`
	Addr    string  `json:"addr"`
	Calls   int     `json:"calls"`
	Failed  int     `json:"failed"`
	Seconds float64 `json:"seconds"` // of all its calls together
}

// callReport shows calls as they end, and their spread. add may be called
// concurrently.
type callReport struct {
	*Factory
	wanted int

	mu       sync.Mutex
	calls    []called // for -o json and yaml, which are one document
	shares   map[string]*share
	made     int
	failed   int
	failure  error // of the first call that failed
	code     int   // the exit code that all calls share, else exitFailed
	writeErr error
}

func newCallReport(f *Factory, wanted int) *callReport {
	return &callReport{Factory: f, wanted: wanted, shares: map[string]*share{}}
}

// add takes in how call n ended; false means that there is no use in going on.
func (r *callReport) add(n int, start time.Time, a caller.Answer) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(a)
	switch r.Output {
	case FormatJSON, FormatYAML:
		r.calls = append(r.calls, newCalled(n, start, a))
	case FormatJSONL:
		r.writeErr = r.printJSON(newCalled(n, start, a), "")
	case FormatName:
		_, r.writeErr = fmt.Fprintln(r.Out, term.Clean(a.Copy.ID))
	default:
		r.writeErr = r.printCall(a)
	}
	return r.writeErr == nil
}

func (r *callReport) count(a caller.Answer) {
	s := r.shares[a.Copy.ID]
	if s == nil {
		s = &share{ID: a.Copy.ID, Addr: a.Copy.Addr}
		r.shares[a.Copy.ID] = s
	}
	r.made++
	s.Calls++
	s.Seconds += a.Took.Seconds()
	code := failureCode(a)
	switch {
	case r.made == 1:
		r.code = code
	case r.code != code:
		r.code = exitFailed
	}
	if a.Err != nil {
		s.Failed++
		r.failed++
		if r.failure == nil {
			r.failure = a.Err
		}
	}
}

func newCalled(n int, start time.Time, a caller.Answer) called {
	c := called{N: n, Time: start, ID: a.Copy.ID, Addr: a.Copy.Addr, Status: a.Status, Seconds: a.Took.Seconds()}
	if a.Err != nil {
		c.Error = failureText(a.Err)
	}
	all := []any{}
	for _, m := range a.Messages {
		all = append(all, jsonOrText(m))
	}
	switch {
	case a.Streams:
		c.Response = all
	case len(all) == 1:
		c.Response = all[0]
	}
	return c
}

// jsonOrText is what a message is in a JSON document.
func jsonOrText(message []byte) any {
	if json.Valid(message) {
		return json.RawMessage(message)
	}
	return string(message)
}

// printCall writes a call for people: the bare answer if it is the only one.
func (r *callReport) printCall(a caller.Answer) error {
	name := cmp.Or(a.Copy.ID, nobody)
	if r.wanted == 1 {
		switch {
		case a.Status != "":
			r.Notef("%s answered %s in %s", name, a.Status, short(a.Took))
		case a.Copy.ID != "":
			r.Notef("%s did not answer, after %s", name, short(a.Took))
		}
		return r.printMessages(a.Messages)
	}
	text := failureText(a.Err)
	if a.Err == nil {
		text = onOneLine(a.Messages)
	}
	_, err := fmt.Fprintf(r.Out, "%s  %7s  %s\n", term.Clean(name), short(a.Took), term.Clean(text))
	return err
}

// printMessages indents what is JSON. Other text goes to files and pipes as it
// is, and to a terminal without what it would obey.
func (r *callReport) printMessages(messages [][]byte) error {
	for _, m := range messages {
		var out bytes.Buffer
		switch {
		case json.Indent(&out, m, "", "  ") == nil:
			out = *bytes.NewBuffer(append(term.CleanJSON(out.Bytes()), '\n'))
		case r.OutTerminal:
			for line := range strings.Lines(string(m)) {
				fmt.Fprintln(&out, term.Clean(strings.TrimRight(line, "\r\n")))
			}
		default:
			out = *bytes.NewBuffer(m)
		}
		if _, err := r.Out.Write(out.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func onOneLine(messages [][]byte) string {
	var parts []string
	for _, m := range messages {
		var line bytes.Buffer
		if json.Compact(&line, m) != nil {
			line = *bytes.NewBufferString(strings.Join(strings.Fields(string(m)), " "))
		}
		parts = append(parts, line.String())
	}
	return strings.Join(parts, " ")
}

// finish writes what is left to write, and tells how it went.
func (r *callReport) finish(ctx context.Context) error {
	if r.writeErr == nil {
		r.writeErr = r.printSpread()
	}
	var byHand stopped
	switch {
	case r.writeErr != nil:
		return r.writeErr
	case errors.As(context.Cause(ctx), &byHand):
		return codef(exitFailed, "%w, %d of %d calls made", byHand, r.made, r.wanted)
	case r.made < r.wanted:
		return ctx.Err()
	case r.failed == 0:
		return nil
	case r.wanted == 1:
		return codef(r.code, "%s", failureText(r.failure))
	}
	return codef(r.code, "%d of %d calls failed; the first: %s", r.failed, r.made, failureText(r.failure))
}

func (r *callReport) printSpread() error {
	spread := []share{}
	for _, s := range r.shares {
		spread = append(spread, *s)
	}
	slices.SortFunc(spread, func(a, b share) int { return strings.Compare(a.ID, b.ID) })
	switch r.Output {
	case FormatJSON, FormatYAML:
		slices.SortFunc(r.calls, func(a, b called) int { return a.N - b.N })
		return r.print(struct {
			Calls  []called `json:"calls"`
			Spread []share  `json:"spread"`
		}{r.calls, spread}, nil)
	case FormatJSONL, FormatName:
		return nil
	}
	if r.wanted == 1 {
		return nil
	}
	if _, err := fmt.Fprintln(r.Out); err != nil {
		return err
	}
	table := &term.Table{Header: []string{"COPY", "CALLS", "SHARE", "FAILED", "MEAN"}}
	for _, s := range spread {
		table.Row(cmp.Or(s.ID, nobody), fmt.Sprint(s.Calls), fmt.Sprintf("%.0f%%", 100*float64(s.Calls)/float64(r.made)),
			fmt.Sprint(s.Failed), short(time.Duration(s.Seconds/float64(s.Calls)*float64(time.Second))))
	}
	return table.Write(r.Out, r.Colours())
}
