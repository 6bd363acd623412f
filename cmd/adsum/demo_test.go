//go:build unix

package main_test

import (
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pids are the processes that the story tells of.
func pids(t *testing.T, story string) []int {
	t.Helper()
	var list []int
	for _, m := range regexp.MustCompile(`process (\d+)`).FindAllStringSubmatch(story, -1) {
		pid, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, pid)
	}
	return list
}

// awaitGone waits until none of the processes is left.
func awaitGone(t *testing.T, pids []int) {
	t.Helper()
	limit := time.After(10 * time.Second)
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		left := 0
		for _, pid := range pids {
			if syscall.Kill(pid, 0) == nil {
				left++
			}
		}
		if left == 0 {
			return
		}
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("%d of the processes %v are left", left, pids)
		}
	}
}

func TestDemoShowsThatNoCallFails(t *testing.T) {
	t.Parallel()
	began := time.Now()
	p := start(t, nil, "demo", "--servers", "3", "--calls", "9")
	code := p.wait()
	took := time.Since(began)
	out := p.out.String()
	t.Logf("took %s\n%s", took, out)
	if code != 0 || p.err.String() != "" {
		t.Fatalf("exit %d, stderr %q", code, p.err)
	}
	if took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colours without a terminal")
	}
	calls := regexp.MustCompile(`call \d+ +(127\.0\.0\.1:\d+)`).FindAllStringSubmatch(out, -1)
	if len(calls) != 9 {
		t.Fatalf("%d calls shown, want 9", len(calls))
	}
	for i, call := range calls {
		if call[1] != calls[i%3][1] {
			t.Errorf("call %d went to %s and not to %s", i+1, call[1], calls[i%3][1])
		}
	}
	for _, seen := range []string{"failed: 0\n", "killed with SIGKILL", "gone from the list", "frozen: SIGSTOP", "server 4 ", "started again"} {
		if !strings.Contains(out, seen) {
			t.Errorf("the story does not tell of %q", seen)
		}
	}
	awaitGone(t, pids(t, out))
}

func TestDemoOnARegistryOfSomebodyElseLeavesNothingThere(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	p := start(t, nil, "demo", "--registry", url+"?heartbeat=300ms")
	if code := p.wait(); code != 0 {
		t.Fatalf("exit %d\n%s%s", code, p.out, p.err)
	}
	if code, out, _ := run(t, url, "services", "-o", "name"); code != 0 || out != "" {
		t.Errorf("exit %d, left behind: %q", code, out)
	}
}

func TestTheProcessesOfTheDemoEndWhenItIsKilled(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"server 2", "killed with SIGKILL", "frozen: "} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			temp := t.TempDir()
			p := start(t, []string{"TMPDIR=" + temp}, "demo")
			p.out.await(t, moment)
			p.signal(syscall.SIGKILL)
			p.wait()
			if list := pids(t, p.out.String()); len(list) < 3 {
				t.Errorf("the story tells of processes %v only", list)
			} else {
				awaitGone(t, list)
			}
			if left, err := filepath.Glob(filepath.Join(temp, "*")); runtime.GOOS == "linux" && (err != nil || len(left) > 0) {
				t.Errorf("left behind: %q, %v", left, err)
			}
		})
	}
}

func TestDemoEndsItsProcessesWhenItIsAskedToEnd(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"killed with SIGKILL", "frozen: "} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			p := start(t, nil, "demo")
			p.out.await(t, moment)
			p.signal(syscall.SIGTERM)
			if code := p.wait(); code != 3 {
				t.Errorf("exit %d, want 3: it did not show what it claims", code)
			}
			awaitGone(t, pids(t, p.out.String()))
		})
	}
}

func TestDemoFailsOnARegistryThatIsNotThere(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "demo", "--registry", "etcd://127.0.0.1:1/services")
	if code := p.wait(); code != 2 || !strings.Contains(p.err.String(), "connection refused") {
		t.Errorf("exit %d\n%s%s", code, p.out, p.err)
	}
}
