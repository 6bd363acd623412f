package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

func TestRunTakesItsProgramAlongWhenItIsKilled(t *testing.T) {
	_, url := serve(t)
	// The program tells of its end by opening a pipe that somebody reads.
	fifo := filepath.Join(t.TempDir(), "end")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "run", "--registry", url, "--name", "web", "--addr", "127.0.0.1:1", "--check", "exec:true",
		"--", "sh", "-c", "trap 'echo bye > "+fifo+"; exit' TERM; echo up; while :; do sleep 0.05; done")
	p.out.await(t, "up")
	p.signal(syscall.SIGKILL)
	told := exec.CommandContext(t.Context(), "timeout", "20", "cat", fifo)
	told.Stderr = os.Stderr
	if out, err := told.Output(); err != nil || string(out) != "bye\n" {
		t.Errorf("the program did not get SIGTERM: %q, %v", out, err)
	}
	p.wait()
}
