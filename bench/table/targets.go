package main

import "fmt"

// A target is a promise on one figure. When it is not kept, the reason stands
// beside it.
type target struct {
	what    string
	measure func(results) (float64, bool)
	limit   float64
	least   bool // the limit is a lower one
	write   func(float64) string
	reason  string
}

var targets = []target{
	{what: "random, a pick among 1000", measure: picking("random"), limit: 7, write: nanoseconds,
		reason: "the target was set with a bare prototype; nearly all of it is the random number, and faster sources are an atomic addition, which some processors are slow at, or a data race"},
	{what: "weighted, a pick among 1000", measure: picking("weighted"), limit: 7, write: nanoseconds,
		reason: "as for a random pick, whose time it takes"},
	{what: "round robin, a pick among 1000", measure: picking("round_robin"), limit: 10, write: nanoseconds,
		reason: "an atomic addition and a division"},
	{what: "least request, a pick among 1000 and its end", measure: picking("least_request"), limit: 25, write: nanoseconds,
		reason: "a random number, and a counter that is added to at the pick and at the end, by atomic additions"},
	{what: "peak EWMA, a pick among 1000 and its end", measure: picking("peak_ewma"), limit: 60, write: nanoseconds,
		reason: "every fourth call looks at the clock twice; the rest is what least request takes, and the averages of two endpoints, which decay"},
	{what: "random, 10 000 endpoints against 10", limit: 1.2, write: times,
		measure: bestRatio("Pick/policy=random/n=10000/lib=adsum", "Pick/policy=random/n=10/lib=adsum", "ns/op"),
		reason:  "the code is the same for both; see the load above"},
	{what: "random, time for a pick on 2 cores against 1", limit: 0.6, write: times,
		measure: bestRatio("Pick/policy=random/n=1000/lib=adsum-2", "Pick/policy=random/n=1000/lib=adsum", "ns/op"),
		reason:  "it shows only on a machine with two idle cores; see the load above"},
	{what: "one of 10 000 endpoints replaced, round robin", limit: 50e3, write: nanoseconds,
		measure: bestOf("Replace/policy=round_robin/n=10000/lib=adsum-2", "ns/op"),
		reason:  "the list of 80 KB is written anew, and of the time for that most is the collector's, which it gives more to do; the rest is two scans"},
	{what: "10 000 endpoints from cold, CPU time", limit: 50e6, write: nanoseconds,
		measure: bestOf("ColdStart/policy=round_robin/n=10000/lib=adsum-2", "cpu-ns/op"),
		reason:  "views are compiled while connections come in"},
	{what: "gRPC, throughput against grpc-go's round robin", limit: 0.98, least: true, write: times,
		measure: ratio("Unary/lib=grpc-go-2", "Unary/lib=adsum-2", "ns/op"),
		reason:  "an interceptor, and a context that remembers the tries of a call: the allocations below show it"},
}

func picking(policy string) func(results) (float64, bool) {
	return bestOf("Pick/policy="+policy+"/n=1000/lib=adsum", "ns/op")
}

func bestOf(bench, unit string) func(results) (float64, bool) {
	return func(r results) (float64, bool) { return r.best(key{bench, unit}) }
}

func bestRatio(bench, by, unit string) func(results) (float64, bool) {
	return func(r results) (float64, bool) { return r.bestRatio(key{bench, unit}, key{by, unit}) }
}

func ratio(bench, by, unit string) func(results) (float64, bool) {
	return func(r results) (float64, bool) { return r.ratio(key{bench, unit}, key{by, unit}) }
}

func (t target) kept(value float64) bool {
	if t.least {
		return value >= t.limit
	}
	return value <= t.limit
}

func targetTable(r results) table {
	rows := table{{"what", "target", "measured", "kept"}}
	for _, t := range targets {
		value, ok := t.measure(r)
		if !ok {
			continue
		}
		sign, verdict := "≤", "yes"
		if t.least {
			sign = "≥"
		}
		if !t.kept(value) {
			verdict = "**no**: " + t.reason
		}
		rows = append(rows, []string{t.what, fmt.Sprintf("%s %s", sign, t.write(t.limit)), t.write(value), verdict})
	}
	return rows
}
