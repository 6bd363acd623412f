package adsumtest

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// leakPatience is how long goroutines that are ending are waited for.
const leakPatience = 5 * time.Second

// LeakOption changes what [VerifyNoLeaks] and [NoLeaks] put up with.
type LeakOption interface{ applyLeak(*leakCheck) }

type leakOption func(*leakCheck)

func (o leakOption) applyLeak(c *leakCheck) { o(c) }

// AllowGoroutines lets goroutines live that were started by, or are inside,
// one of these functions: for the globals of third-party packages that can
// not be stopped. A name is as a stack trace prints it, such as
// "go.opencensus.io/stats/view.(*worker).start".
func AllowGoroutines(functions ...string) LeakOption {
	return leakOption(func(c *leakCheck) { c.allowed = append(c.allowed, functions...) })
}

// LeaksWithin bounds how long goroutines that are ending are waited for.
// Without it that is 5 s.
func LeaksWithin(d time.Duration) LeakOption {
	return leakOption(func(c *leakCheck) { c.patience = d })
}

// AfterTests runs stop once the tests have run and before goroutines are
// counted: the place to stop what TestMain started.
func AfterTests(stop func()) LeakOption {
	return leakOption(func(c *leakCheck) { c.stop = append(c.stop, stop) })
}

// VerifyNoLeaks runs the tests of a package and fails the run, with their
// stacks, if goroutines are left when all have passed. It does not return.
//
//	func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }
func VerifyNoLeaks(m *testing.M, opts ...LeakOption) {
	check := newLeakCheck(opts)
	code := m.Run()
	for _, stop := range check.stop {
		stop()
	}
	if code == 0 { // a failed test may have left without tidying up: that says nothing
		if left := check.wait(); len(left) > 0 {
			fmt.Fprint(os.Stderr, describeLeaks(left))
			code = 1
		}
	}
	os.Exit(code)
}

// NoLeaks fails the test, with their stacks, if goroutines started during it
// are left when it ends. Call it first, so that it looks after all other
// cleanups ran. It is not for parallel tests: they see each other's
// goroutines.
func NoLeaks(t testing.TB, opts ...LeakOption) {
	t.Helper()
	check := newLeakCheck(opts)
	for _, g := range goroutines() {
		check.before = append(check.before, g.id)
	}
	t.Cleanup(func() {
		for _, stop := range check.stop {
			stop()
		}
		if t.Failed() {
			return
		}
		if left := check.wait(); len(left) > 0 {
			t.Error(describeLeaks(left))
		}
	})
}

type leakCheck struct {
	allowed  []string
	before   []string // ids of the goroutines that were there already
	patience time.Duration
	stop     []func()
}

func newLeakCheck(opts []LeakOption) *leakCheck {
	c := &leakCheck{allowed: slices.Clone(ownGoroutines), patience: leakPatience}
	for _, o := range opts {
		o.applyLeak(c)
	}
	return c
}

// ownGoroutines belong to the runtime and to package testing.
var ownGoroutines = []string{
	"testing.RunTests", "testing.runTests", "testing.(*M).Run", "testing.(*T).Run", "testing.(*F).Fuzz",
	"testing.(*B).run1", "testing.(*B).doBench", "testing.runFuzzing", "testing.runFuzzTests",
	"os/signal.loop", "os/signal.signal_recv", "runtime.ensureSigM",
	"runtime.runFinalizers", "runtime.runfinq", "runtime.runCleanups", "runtime.ReadTrace",
	"runtime/pprof.profileWriter", "runtime/trace.Start.func1",
}

// wait returns the goroutines that are still there when patience ends.
func (c *leakCheck) wait() []goroutine {
	deadline := time.Now().Add(c.patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left := c.left()
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(pause)
	}
}

func (c *leakCheck) left() []goroutine {
	return slices.DeleteFunc(goroutines(), func(g goroutine) bool {
		return slices.Contains(c.before, g.id) || slices.ContainsFunc(c.allowed, g.isIn)
	})
}

// goroutine is one block of a stack trace.
type goroutine struct{ id, stack string }

// isIn reports whether the function is on the stack or started the goroutine.
func (g goroutine) isIn(function string) bool {
	return strings.Contains(g.stack, "\n"+function+"(") || strings.Contains(g.stack, "\ncreated by "+function+" in goroutine ") ||
		strings.Contains(g.stack, "\ncreated by "+function+"\n")
}

// goroutines returns all but the caller's own.
func goroutines() []goroutine {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	blocks := strings.Split(strings.TrimSpace(string(buf)), "\n\n")
	others := make([]goroutine, 0, len(blocks))
	for _, block := range blocks[1:] { // the first is the one that asks
		id, _, _ := strings.Cut(strings.TrimPrefix(block, "goroutine "), " ")
		others = append(others, goroutine{id, block + "\n"})
	}
	return others
}

func describeLeaks(left []goroutine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d goroutines left behind:\n\n", len(left))
	for _, g := range left {
		b.WriteString(g.stack + "\n")
	}
	return b.String()
}
