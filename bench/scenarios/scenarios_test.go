package scenarios

import (
	"flag"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/lb/lbtest"
)

func TestMain(m *testing.M) {
	// go-zero starts them when it is linked, and cannot stop them.
	adsumtest.VerifyNoLeaks(m, adsumtest.AllowGoroutines(
		"github.com/zeromicro/go-zero/core/proc.init.1.func1",
		"github.com/zeromicro/go-zero/core/stat.init.1.func1",
	))
}

var (
	write = flag.Bool("write", false, "measure who is not in results.json, and write that file and docs/scenarios.md")
	only  = flag.String("scenario", "", "with -write, measure this one only, such as S3")
)

const (
	committed = "results.json"
	processes = "processes.json"
	page      = "../../docs/scenarios.md"
)

// began is when the process did, by the real clock.
var began = time.Now()

func run(t *testing.T, w lbtest.World, seed uint64) (r lbtest.Report, cpu time.Duration) {
	synctest.Test(t, func(*testing.T) {
		// A bubble begins in 2000, and some count time from when the
		// process began; others by whole seconds, so that the fraction
		// must be the same in every process.
		time.Sleep(time.Until(began.Truncate(24 * time.Hour).Add(48 * time.Hour)))
		before := processorTime()
		r = w.Run(seed)
		cpu = processorTime() - before
	})
	return r, cpu
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail with these arguments
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (s Scenario) measure(t *testing.T, c Contestant) Result {
	in := func(world func() lbtest.World, seed uint64) (lbtest.Report, time.Duration) {
		w := world()
		w.Client = c.Client
		for _, manner := range c.Manner {
			manner(&w)
		}
		return run(t, w, seed)
	}
	var runs, calms []lbtest.Report
	var cpu []time.Duration
	for n := range c.Runs {
		r, used := in(s.World, uint64(n+1))
		runs = append(runs, r)
		if s.Calm != nil {
			calm, usedInCalm := in(s.Calm, uint64(n+1))
			calms = append(calms, calm)
			used -= usedInCalm
		}
		cpu = append(cpu, used)
	}
	return s.of(runs, calms, cpu)
}

func TestNoRatioGotWorse(t *testing.T) {
	before, err := Committed(committed)
	if *write {
		if before == nil {
			before = Results{}
		}
		measureAll(t, before)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	now := Results{}
	for _, s := range Scenarios {
		now[s.Key] = map[string]Result{}
		for _, c := range s.judged() {
			now[s.Key][c.Name] = s.measure(t, c)
		}
	}
	for _, worse := range compare(before, now) {
		t.Error(worse)
	}
}

// measureAll measures whoever is not in all yet, and writes after each, so that
// one may be added, or a run be broken off.
func measureAll(t *testing.T, all Results) {
	for _, s := range Scenarios {
		if *only != "" && *only != s.Key {
			continue
		}
		if all[s.Key] == nil {
			all[s.Key] = map[string]Result{}
		}
		for _, c := range s.Who {
			if _, known := all[s.Key][c.Name]; known {
				continue
			}
			all[s.Key][c.Name] = s.measure(t, c)
			t.Logf("%s %s: %+v", s.Key, c.Name, all[s.Key][c.Name])
			if err := all.Write(committed); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(page, []byte(documented(t, all)), 0o644); err != nil {
		t.Fatal(err)
	}
}

func documented(t *testing.T, all Results) string {
	t.Helper()
	real, err := readProcesses(processes)
	if err != nil {
		t.Fatal(err)
	}
	return document(all, real)
}

func TestTheDocumentShowsWhatIsCommitted(t *testing.T) {
	if *write {
		return // it is being written
	}
	all, err := Committed(committed)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != documented(t, all) {
		t.Errorf("%s is not what %s and %s say: run make scenarios", page, committed, processes)
	}
}

func TestWorseIsToldFromAsGood(t *testing.T) {
	before, err := Committed(committed)
	if err != nil {
		t.Fatal(err)
	}
	if worse := compare(before, before); len(worse) > 0 {
		t.Errorf("against itself: %q", worse)
	}
	now := Results{}
	for key, results := range before {
		now[key] = map[string]Result{}
		for name, r := range results {
			r.P99 *= 1.1
			now[key][name] = r
		}
	}
	if worse := compare(before, now); len(worse) > 0 {
		t.Errorf("10 %% worse: %q", worse)
	}
	slow := now["S2"][standard.Name]
	slow.P99 *= 1.1
	now["S2"][standard.Name] = slow
	if worse := compare(before, now); len(worse) != 2 {
		t.Errorf("21 %% worse in one scenario: %q", worse)
	}
	fails := before["S5"][standardRetries.Name]
	fails.Errors = 0.001
	now["S2"][standard.Name], now["S5"][standardRetries.Name] = before["S2"][standard.Name], fails
	if worse := compare(before, now); len(worse) != 1 {
		t.Errorf("errors where there were none: %q", worse)
	}
}
