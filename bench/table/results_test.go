package main

import (
	"strings"
	"testing"

	"github.com/adsum-go/adsum/adsumtest"
)

func TestMain(m *testing.M) {
	// go-zero starts them when it is linked, and cannot stop them.
	adsumtest.VerifyNoLeaks(m, adsumtest.AllowGoroutines(
		"github.com/zeromicro/go-zero/core/proc.init.1.func1",
		"github.com/zeromicro/go-zero/core/stat.init.1.func1",
	))
}

// The second round was slow for all.
var rounds = []string{
	"goos: linux\nBenchmarkPick/lib=adsum-2 \t 100\t 10.0 ns/op\t 0 B/op\t 0 allocs/op\nBenchmarkPick/lib=other-2 100 20 ns/op\nPASS\n",
	"BenchmarkPick/lib=adsum-2 100 100 ns/op\nBenchmarkPick/lib=other-2 100 200 ns/op\n",
	"BenchmarkPick/lib=adsum-2 100 12 ns/op\nBenchmarkPick/lib=other-2 100 24 ns/op\n",
}

func TestABurstOfOtherWorkChangesNeitherTheBestNorTheRatio(t *testing.T) {
	r := results{}
	for _, output := range rounds {
		r.add(output)
	}
	ours, other := key{"Pick/lib=adsum-2", "ns/op"}, key{"Pick/lib=other-2", "ns/op"}
	if m, _ := r.median(ours); m != 12 {
		t.Errorf("median %v, want 12", m)
	}
	if best, _ := r.best(ours); best != 10 {
		t.Errorf("best %v, want 10", best)
	}
	if ratio, _ := r.ratio(other, ours); ratio != 2 {
		t.Errorf("ratio %v, want 2", ratio)
	}
	if got := r.cell(other, ours); got != "20.0 ns, 2.00 ×" {
		t.Errorf("cell %q", got)
	}
	if _, ok := r.median(key{"Pick/lib=absent", "ns/op"}); ok {
		t.Error("there is a median of what was not measured")
	}
}

func TestATableLinesUpAndLeavesOutWhatWasNotMeasured(t *testing.T) {
	rows := table{{"library", "10", "1000"}, {"adsum", "", "7 µs"}}
	const want = "| library | 1000 |\n|---------|------|\n| adsum   | 7 µs |\n"
	if got := rows.WithoutEmptyColumns().String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAMissedTargetIsNamedWithItsReason(t *testing.T) {
	r := results{}
	r.add("BenchmarkPick/policy=random/n=1000/lib=adsum 100 9 ns/op\n")
	if text := targetTable(r).String(); !strings.Contains(text, "**no**: the target was set") {
		t.Errorf("9 ns pass for at most 7:\n%s", text)
	}
}
