//go:build unix

package health_test

import (
	"os"
	"path/filepath"
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
	// The command and its child hold the pipe open: it ends when both are gone.
	pipe := filepath.Join(t.TempDir(), "alive")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(pipe)
		gone <- err
	}()
	probe := health.Exec{Command: []string{"/bin/sh", "-c", `exec 3>"$PIPE"; echo waiting; sleep 60 & wait`},
		Env: append(os.Environ(), "PIPE="+pipe), Name: "hanging"}
	c := start(t, health.Check{Probe: probe, Interval: time.Hour, Timeout: 3 * time.Second}) // in which a shell starts on a busy machine, too
	awaitResult(c)
	expectStatus(t, c, adsum.Starting, "exec:hanging: no answer within 3s: signal: killed: waiting")
	select {
	case err := <-gone:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the command's child lives on")
	}
}
