package adsumtest_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
)

func TestMain(m *testing.M) {
	leakOnPurpose(m)
	// The drivers of these tests have no place in the table of drivers.
	_ = os.Unsetenv(adsumtest.ReportFolderVariable)
	adsumtest.Publisher(openRoll)
	adsumtest.VerifyNoLeaks(m)
}

// leakOnPurpose is the run that TestVerifyNoLeaksFailsTheRun starts.
func leakOnPurpose(m *testing.M) {
	if os.Getenv("ADSUMTEST_LEAK") == "" {
		return
	}
	stray := strayGoroutine()
	defer close(stray)
	adsumtest.VerifyNoLeaks(m, adsumtest.LeaksWithin(20*time.Millisecond))
}

// strayGoroutine starts one that waits until the channel is closed, and returns
// when it does wait: before, its stack does not tell where it is.
func strayGoroutine() chan<- struct{} {
	stray := make(chan struct{})
	go waitForEver(stray)
	stray <- struct{}{}
	return stray
}

func waitForEver(stray <-chan struct{}) {
	<-stray
	<-stray
}

// recorder is a test that only notes how it ended.
type recorder struct {
	testing.TB
	cleanups []func()
	failed   bool
	message  string
}

func (r *recorder) Helper()                {}
func (r *recorder) Failed() bool           { return r.failed }
func (r *recorder) Cleanup(f func())       { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Error(arguments ...any) { r.failed, r.message = true, fmt.Sprint(arguments...) }

func (r *recorder) Fatalf(format string, arguments ...any) {
	r.failed, r.message = true, fmt.Sprintf(format, arguments...)
	runtime.Goexit()
}

func (r *recorder) end() {
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
}

func TestNoLeaksNamesTheGoroutineLeftBehind(t *testing.T) {
	r := &recorder{TB: t}
	adsumtest.NoLeaks(r, adsumtest.LeaksWithin(20*time.Millisecond))
	defer close(strayGoroutine())
	r.end()
	if !r.failed || !strings.Contains(r.message, "waitForEver") {
		t.Fatalf("failed %t with %q, want a failure that shows the stack of waitForEver", r.failed, r.message)
	}
}

func TestNoLeaksWaitsForGoroutinesThatAreEnding(t *testing.T) {
	r := &recorder{TB: t}
	adsumtest.NoLeaks(r)
	stray := strayGoroutine()
	time.AfterFunc(30*time.Millisecond, func() { close(stray) })
	r.end()
	if r.failed {
		t.Fatal("an ending goroutine counts as leaked:", r.message)
	}
}

func TestNoLeaksAllowsWhatItIsToldTo(t *testing.T) {
	r := &recorder{TB: t}
	adsumtest.NoLeaks(r, adsumtest.LeaksWithin(20*time.Millisecond),
		adsumtest.AllowGoroutines("github.com/adsum-go/adsum/adsumtest_test.waitForEver"))
	defer close(strayGoroutine())
	r.end()
	if r.failed {
		t.Fatal("an allowed goroutine counts as leaked:", r.message)
	}
}

func TestNoLeaksStopsWhatTheTestStarted(t *testing.T) {
	r := &recorder{TB: t}
	stray := make(chan struct{})
	adsumtest.NoLeaks(r, adsumtest.AfterTests(func() { close(stray) }))
	go waitForEver(stray)
	r.end()
	if r.failed {
		t.Fatal("AfterTests ran too late:", r.message)
	}
}

func TestVerifyNoLeaksFailsTheRun(t *testing.T) {
	run := exec.Command(os.Args[0], "-test.run=^$")
	run.Env = append(os.Environ(), "ADSUMTEST_LEAK=1")
	out, err := run.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "waitForEver") {
		t.Fatalf("a run that leaks ends with %v and prints %q", err, out)
	}
}
