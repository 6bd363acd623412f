package scenarios

import (
	"fmt"
	"strings"

	"github.com/adsum-go/adsum/bench/markdown"
)

// document is docs/scenarios.md.
func document(r Results, p Processes) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Scenarios

Written by %[1]smake scenarios%[1]s; do not edit it. Our engine and the pickers of
other libraries, their own code at the versions of [Performance](performance.md),
under simulated traffic (package [lb/lbtest](../lb/lbtest/doc.go)): calls arrive at
random at clients, each with a balancer of its own, and queue at servers with four
workers, which take 10 ms on average, exponentially distributed. Callers wait for a
second and do not call again, unless it says so.

Time is virtual, so that what else a machine does changes nothing. A seed gives the
same run of ours and of those that can be seeded; the others draw from global sources
and run %[2]d times: the median is shown, and the p99 of the best and the worst run.

Retries of the peers are the rule of go-kit's Retry: three tries at once. Ours are
%[1]slb.Retry%[1]s's rule, back-off, budget and cancellation included, since a loop on one
goroutine cannot call what blocks. Servers report their load as
ORCA to grpc-go's weighted round robin. Kratos' selectors are made anew whenever a
connection comes or goes, as its gRPC balancer does. Go-kit and Kitex hear neither of
how calls end nor of connections.

The retries and the hedging of the gRPC, HTTP and go-kit clients take no part in S8
and S9 for the same reason: their second tries wait on goroutines, and goroutines
give another run every time. What decides is the same: %[1]slb.Hedge%[1]s and %[1]slb.Budget%[1]s
themselves; only the waiting is the simulation's. That the three clients do alike, the
[behaviour suite](../test/behaviour/doc.go) shows on real connections.

`, "`", repeats)
	b.WriteString("## Targets\n\nWhat this library promised itself before it was written.\n\n")
	b.WriteString(targetTable(r).String())
	for _, s := range Scenarios {
		fmt.Fprintf(&b, "\n## %s: %s\n\n%s\n\n%s", s.Key, s.Title, s.Text, s.table(r[s.Key]))
	}
	fmt.Fprintf(&b, `
## With processes

S4 to S7 again, with six servers that are processes, over gRPC and HTTP on loopback,
and a client in another one: 600 calls a second, at random times, whether answers
come or not; each has a second in all. Servers have four workers and take 10 ms on
average. Our clients are as they are when nothing is said, but for the method being
named idempotent; go-kit's have its Retry with three tries. In S4 one of six servers
takes ten times as long, in S5 one fails at once, in S6 one after the other is killed
and is back a second later at the same address, and in S7 two of six are frozen by
SIGSTOP after two seconds. With the lifecycle, a server is withdrawn first and ended
by SIGTERM. Nobody else is told of anything by a registry. Latencies count from when a
call was due. Measured on

- %s; load average at the end %s

Trust the errors; how long calls take depends on what else the machine does.

%s`, p.Machine, p.Load, p.Table())
	return b.String()
}

func targetTable(r Results) markdown.Table {
	rows := markdown.Table{{"scenario", "what", "of", "target", "measured", "kept"}}
	for _, t := range targets {
		v := t.measure(r, r)
		verdict := "yes"
		if !t.kept(v) {
			verdict = "**no**: " + t.reason
		}
		rows = append(rows, []string{t.scenario, t.what, t.ours.Name, "≤ " + t.write(t.limit), t.write(v), verdict})
	}
	return rows
}

// table compares everybody with the first.
func (s Scenario) table(results map[string]Result) markdown.Table {
	head := []string{"who", "p50", "p99", "of the runs", "p99.9", "errors", "most loaded / mean", "tries for a call", s.ExtraName}
	if s.Changes > 0 {
		head[8] = "CPU time for a change"
	}
	rows := markdown.Table{head}
	base := results[s.Who[0].Name]
	for _, c := range s.Who {
		r, ok := results[c.Name]
		if !ok {
			continue
		}
		row := []string{
			c.Name, fmt.Sprintf("%.1f ms", r.P50), against(r.P99, base.P99, c.Name == s.Who[0].Name), "",
			against(r.P999, base.P999, c.Name == s.Who[0].Name), share(r.Errors), fmt.Sprintf("%.2f", r.MostLoaded), fmt.Sprintf("%.3f", r.Sent), "",
		}
		if r.Runs > 1 {
			row[3] = fmt.Sprintf("%.0f–%.0f ms", r.Least, r.Most)
		}
		if s.Extra != nil {
			row[8] = fmt.Sprintf("%.3g", r.Extra)
		}
		if s.Changes > 0 {
			row[8] = fmt.Sprintf("%.0f µs", r.Change)
		}
		rows = append(rows, row)
	}
	return rows.WithoutEmptyColumns()
}

func against(v, base float64, first bool) string {
	if first {
		return fmt.Sprintf("%.1f ms", v)
	}
	return fmt.Sprintf("%.1f ms, %.2f ×", v, v/base)
}

func share(percent float64) string {
	if percent == 0 {
		return "0"
	}
	return fmt.Sprintf("%.2g %%", percent)
}
