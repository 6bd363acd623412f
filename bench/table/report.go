package main

import (
	"fmt"
	"strings"

	"github.com/adsum-go/adsum/bench/machine"
	"github.com/adsum-go/adsum/bench/peers"
)

// report is the whole text, in Markdown.
func report(r results, p plan, contenders []peers.Contender) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Performance

Written by %[1]s%[2]s%[1]s; do not edit it. The libraries take turns, in an order that
is another one in every round. What stays in memory is given by its best round,
since what else a machine does only adds; whole calls by the median of the
rounds, and their ratios by the median of those within a round. Ours is 1, and
above it is slower. Trust the ratios, and on a busy machine not those on two
cores: who has to wait for the other core is spared it there. Measured on

- %[3]s; load average at the end %[4]s
- %[6]s
- %[5]s

`, "`", p.command, machine.Describe(), machine.Load(), machine.Versions(), yardsticks(r))

	section(&b, "Targets", `What this library promised itself before it was written.`, targetTable(r))
	section(&b, "One pick", `One pick, and saying that the call is over, among 10, 1000 and 10 000
endpoints, on one core and on two; the time is that of the whole machine for one
pick, so that a policy that scales is twice as fast on two. Go-kit and Kitex
hear nothing of how calls end. Kratos' weighted round robin is the smooth one,
and its default; Kitex' weighted random is an alias table; what grpc-go calls
weighted goes by the load that servers report. The ring of grpc-go holds 4096
endpoints, and go-zero's takes half a minute to start with 10 000. Kitex' weighted
round robin works its sequence out while it is called: with 1000 endpoints it is
done, with 10 000 it is still at it.`, pickTable(r, contenders))
	section(&b, "One endpoint replaced", `One endpoint leaves and another comes, until picks go by it. The balancers of
gRPC (grpc-go, go-zero) also keep the connections' states in that time; our own
is told of them apart. What was learned of the others is kept by ours and by
grpc-go; go-zero and Kratos forget it.`, sizesTable(r, contenders, "Replace", "ns/op"))
	section(&b, "A cold start", `CPU time from a list of addresses until all of them are picked. With ours and
with gRPC's balancers they become connected one after the other; go-kit, Kratos
and Kitex keep no connections.`, sizesTable(r, contenders, "ColdStart", "cpu-ns/op"))
	section(&b, "A gRPC call", `A unary call over loopback, 32 callers and 4 servers in one process, our
retries on. Throughput is in relation to grpc-go's round_robin: more is better.`, callTable(r, "Unary", "grpc-go", unaries))
	section(&b, "An HTTP request", `The same with GET. The tuned client of the standard library keeps 256 idle
connections to a server and goes to one server after the other.`, callTable(r, "HTTP", "net-http_tuned", requests))
	return strings.TrimSuffix(b.String(), "\n")
}

// yardsticks say how fast the machine was: its figures are those of a guest, if
// it is one.
func yardsticks(r results) string {
	var list []string
	for _, y := range [...]struct{ what, bench string }{
		{"an atomic addition", "atomic_add"}, {"a random number", "random_number"}, {"a look at the clock", "clock"},
	} {
		if ns, ok := r.best(key{"Yardstick/" + y.bench, "ns/op"}); ok {
			list = append(list, y.what+" "+nanoseconds(ns))
		}
	}
	return "what picks are made of takes here: " + strings.Join(list, ", ")
}

func section(b *strings.Builder, title, text string, rows table) {
	fmt.Fprintf(b, "## %s\n\n%s\n\n%s\n", title, text, rows.WithoutEmptyColumns())
}

func pickTable(r results, contenders []peers.Contender) table {
	head := []string{"policy", "library"}
	type column struct {
		n, cores int
	}
	var columns []column
	for _, n := range []int{10, 1000, 10_000} {
		for _, cores := range []int{1, 2} {
			columns = append(columns, column{n, cores})
			head = append(head, fmt.Sprintf("%d, %s", n, plural(cores, "core")))
		}
	}
	rows := table{append(head, "allocs")}
	for _, c := range contenders {
		row := []string{c.Policy, c.Name}
		for _, col := range columns {
			row = append(row, r.cell(contender("Pick", c, col.n, col.cores, "ns/op")))
		}
		allocs, _ := r.median(key{bench("Pick", c.Policy, 10, c.Library, 1), "allocs/op"})
		rows = append(rows, append(row, fmt.Sprint(allocs)))
	}
	return rows
}

func sizesTable(r results, contenders []peers.Contender, name, unit string) table {
	rows := table{{"policy", "library", "10", "1000", "10000"}}
	for _, c := range contenders {
		row := []string{c.Policy, c.Name}
		measured := false
		for _, n := range []int{10, 1000, 10_000} {
			cell := r.cell(contender(name, c, n, 2, unit))
			measured = measured || cell != ""
			row = append(row, cell)
		}
		if measured {
			rows = append(rows, row)
		}
	}
	return rows
}

// contender returns the keys of a contender's result and of ours.
func contender(name string, c peers.Contender, n, cores int, unit string) (k, ours key) {
	return key{bench(name, c.Policy, n, c.Library, cores), unit}, key{bench(name, c.Policy, n, "adsum", cores), unit}
}

func bench(name, policy string, n int, library string, cores int) string {
	return onCores(fmt.Sprintf("%s/policy=%s/n=%d/lib=%s", name, policy, n, library), cores)
}

// onCores adds what go test does to the names of benchmarks.
func onCores(name string, cores int) string {
	if cores == 1 {
		return name
	}
	return fmt.Sprintf("%s-%d", name, cores)
}

// A caller is a library that makes whole calls.
type caller struct{ library, name string }

var unaries = []caller{
	{"grpc-go", "grpc-go, round_robin"},
	{"adsum", "adsumgrpc, round_robin"},
	{"adsum_peak_ewma", "adsumgrpc, peak_ewma"},
	{"go-kit", "go-kit, RoundRobin and Retry"},
	{"dial_each_call", "grpc-go, a connection for each call"},
}

var requests = []caller{
	{"net-http_tuned", "net/http, tuned"},
	{"adsum", "adsumhttp, round_robin"},
	{"adsum_peak_ewma", "adsumhttp, peak_ewma"},
	{"net-http_default", "net/http, DefaultTransport"},
}

func callTable(r results, name, measure string, callers []caller) table {
	rows := table{{"library", "time for one call", "throughput", "allocs"}}
	base := key{onCores(name+"/lib="+measure, 2), "ns/op"}
	for _, c := range callers {
		k := key{onCores(name+"/lib="+c.library, 2), "ns/op"}
		took, _ := r.median(k)
		throughput, _ := r.ratio(base, k)
		allocs, _ := r.median(key{k.bench, "allocs/op"})
		rows = append(rows, []string{c.name, nanoseconds(took), times(throughput), fmt.Sprint(allocs)})
	}
	return rows
}

func plural(n int, noun string) string {
	if n == 1 {
		return fmt.Sprint(n, " ", noun)
	}
	return fmt.Sprint(n, " ", noun, "s")
}
