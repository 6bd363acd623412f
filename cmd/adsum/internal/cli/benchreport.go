package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/cmd/adsum/internal/caller"
	"github.com/adsum-go/adsum/cmd/adsum/internal/load"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

// benchReport shows a load while it runs, and at the end.
type benchReport struct {
	*benchOptions
	policy func() string // its name now
	start  time.Time
	total  load.Tally
	second load.Tally // since the last report
	unsent int

	mu      sync.Mutex
	failure error // of the first call that failed
	code    int   // the exit code that all calls share, else exitFailed
	any     bool
}

// benchDocument is a report in machine-readable form.
type benchDocument struct {
	Final   bool      `json:"final"`
	Time    time.Time `json:"time"`
	Service string    `json:"service"`
	Policy  string    `json:"policy"`
	// Rate is the one asked for; Seconds what the report covers.
	Rate    float64 `json:"rate"`
	Seconds float64 `json:"seconds"`
	load.Summary
	Unsent int `json:"unsent"`
}

func newBenchReport(opts *benchOptions, policy func() string) *benchReport {
	return &benchReport{benchOptions: opts, policy: policy, start: time.Now()}
}

func (r *benchReport) add(a caller.Answer, latency time.Duration) {
	result := load.Result{ID: a.Copy.ID, Addr: a.Copy.Addr, Latency: latency, Error: failureKind(a)}
	r.total.Add(result)
	r.second.Add(result)
	r.mu.Lock()
	defer r.mu.Unlock()
	if code := failureCode(a); !r.any {
		r.any, r.code = true, code
	} else if r.code != code {
		r.code = exitFailed
	}
	if r.failure == nil {
		r.failure = a.Err
	}
}

// failureKind is a few words for a failure, so that those alike count together.
func failureKind(a caller.Answer) string {
	if a.Err == nil {
		return ""
	}
	if s, ok := status.FromError(a.Err); ok {
		return s.Code().String()
	}
	switch failureCode(a) {
	case exitTimeout:
		return "timed out"
	case exitConnect:
		return "not connected"
	case exitNotFound:
		return "nobody to call"
	}
	return cmp.Or(a.Status, "broke off")
}

// everySecond reports the second that has passed, to programs that want that,
// and to people on a terminal.
func (r *benchReport) everySecond(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for since := r.start; ; since = time.Now() {
		select {
		case <-ctx.Done():
			r.progressLine("")
			return
		case <-tick.C:
		}
		summary := r.second.Take()
		if r.Output == FormatJSONL {
			// If it cannot be written, nor can the last line, which says so.
			_ = r.printJSON(r.document(summary, time.Since(since)), "")
		}
		r.progressLine(describeSecond(time.Since(r.start), summary))
	}
}

func (r *benchReport) document(s load.Summary, covers time.Duration) benchDocument {
	return benchDocument{
		Time: time.Now(), Service: r.Service, Policy: r.policy(),
		Rate: r.Rate, Seconds: covers.Seconds(), Summary: s,
	}
}

// progressLine replaces the one line of progress; "" clears it.
func (r *benchReport) progressLine(text string) {
	if r.ErrTerminal {
		fmt.Fprint(r.Err, "\r\x1b[K"+term.Clean(text))
	}
}

// describeSecond is one second in one line. Copies beyond the third are left
// to the table.
func describeSecond(elapsed time.Duration, s load.Summary) string {
	const shown = 3
	line := fmt.Sprintf("%3.0fs  %d/s  p50 %s  p99 %s  failed %d", elapsed.Seconds(), s.Calls, inSeconds(s.Latency.P50), inSeconds(s.Latency.P99), s.Failed)
	for i, c := range s.Copies {
		if i == shown {
			return line + fmt.Sprintf("  and %d more", len(s.Copies)-shown)
		}
		line += fmt.Sprintf("  %s %d", cmp.Or(c.ID, nobody), c.Calls)
	}
	return line
}

func inSeconds(s float64) string { return short(time.Duration(s * float64(time.Second))) }

func (r *benchReport) finish(ctx context.Context) error {
	summary := r.total.Summary()
	document := r.document(summary, time.Since(r.start))
	document.Final, document.Unsent = true, r.unsent
	if err := r.print(document, func() error { return r.printTable(summary) }); err != nil {
		return err
	}
	if r.unsent > 0 {
		r.Notef("%d calls were due and not sent, as %d were under way (--in-flight): the latencies do not show how long these would have taken", r.unsent, r.InFlight)
	}
	var byHand stopped
	switch {
	case errors.As(context.Cause(ctx), &byHand):
		return codef(exitFailed, "%w after %s", byHand, time.Since(r.start).Round(time.Second))
	case summary.Failed > 0:
		return codef(r.code, "%d of %d calls failed; the first: %s", summary.Failed, summary.Calls, failureText(r.failure))
	case r.unsent > 0:
		return exitCode(exitFailed)
	}
	return nil
}

func (r *benchReport) printTable(s load.Summary) error {
	if r.Output == FormatName {
		return printNames(r.Factory, s.Copies, func(c load.Count) string { return c.ID })
	}
	table := &term.Table{Header: []string{"COPY", "CALLS", "SHARE", "FAILED", "P50", "P90", "P99", "P99.9", "MAX"}}
	for _, c := range append(s.Copies, load.Count{ID: "all", Calls: s.Calls, Failed: s.Failed, Latency: s.Latency}) {
		l := c.Latency
		table.Row(cmp.Or(c.ID, nobody), fmt.Sprint(c.Calls), fmt.Sprintf("%.0f%%", 100*float64(c.Calls)/float64(max(1, s.Calls))), fmt.Sprint(c.Failed),
			inSeconds(l.P50), inSeconds(l.P90), inSeconds(l.P99), inSeconds(l.P999), inSeconds(l.Max))
	}
	if err := table.Write(r.Out, r.Colours()); err != nil || s.Failed == 0 {
		return err
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(s.Errors)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, s.Errors[kind]))
	}
	_, err := fmt.Fprintf(r.Out, "\nfailed: %s\n", term.Clean(strings.Join(kinds, ", ")))
	return err
}
