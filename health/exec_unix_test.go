//go:build unix

package health_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/health"
)

func TestExecGoesByTheExitCodeAndShowsTheOutput(t *testing.T) {
	tests := []struct{ command, want string }{
		{"true", ""},
		{"echo no database >&2; exit 3", "exit status 3: no database"},
		{"kill -9 $$", "signal: killed"},
		{"head -c 1000000 /dev/zero; exit 1", "exit status 1"},
		{"sleep 2 & exit 0", ""}, // a process left behind holds the output open
	}
	for _, test := range tests {
		t.Run(test.command, func(t *testing.T) {
			probe, err := health.Standard().Parse("exec:" + test.command)
			if err != nil {
				t.Fatal(err)
			}
			expectError(t, probe.Probe(t.Context()), test.want)
		})
	}
}

func TestExecKillsWhatTheCommandStartedAtTheTimeout(t *testing.T) {
	pidfile := filepath.Join(t.TempDir(), "pid")
	probe := health.Exec{Command: []string{"/bin/sh", "-c", `echo waiting; sleep 60 & echo $! > "$PIDFILE.new"; mv "$PIDFILE.new" "$PIDFILE"; wait`},
		Env: append(os.Environ(), "PIDFILE="+pidfile), Name: "hanging"}
	c := start(t, health.Check{Probe: probe, Interval: time.Hour, Timeout: 500 * time.Millisecond})
	<-c.Changed()
	expectStatus(t, c, adsum.Starting, "exec:hanging: no answer within 500ms: signal: killed: waiting")
	text, err := os.ReadFile(pidfile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	// The orphan is gone, or a zombie that nobody has reaped yet.
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("process %d lives on: %s", pid, stat)
	}
	if err != nil && syscall.Kill(pid, 0) == nil && !os.IsNotExist(err) {
		t.Errorf("process %d lives on", pid)
	}
}
