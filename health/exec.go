package health

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"
)

// outputLimit is how much of a command's output is kept to explain a failure.
const outputLimit = 4 << 10

// Exec runs a command; exit code 0 is well. Its output explains a failure, up
// to 4 KiB of it. At the check's timeout the command is killed together with
// what it started (on Windows, alone).
type Exec struct {
	// Command is the program and its arguments; no shell is involved.
	Command []string
	// Dir is where it runs, Env its environment; this process' if empty.
	Dir string
	Env []string
	// Name is what the check is called; the program's name if empty.
	Name string
}

// String is exec: and the name.
func (e Exec) String() string {
	switch {
	case e.Name != "":
		return "exec:" + e.Name
	case len(e.Command) > 0: // arguments may hold secrets
		return "exec:" + filepath.Base(e.Command[0])
	}
	return "exec:"
}

// Validate refuses a command that cannot be found.
func (e Exec) Validate() error {
	if len(e.Command) == 0 || e.Command[0] == "" {
		return invalid("command", "", "it is empty", "give the program to run")
	}
	if _, err := exec.LookPath(e.Command[0]); err != nil && e.Dir == "" {
		return invalid("command", e.Command[0], "there is no such program: "+err.Error(), "give its full path, or put it into PATH")
	}
	return nil
}

// Probe runs the command once.
func (e Exec) Probe(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, e.Command[0], e.Command[1:]...)
	cmd.Dir, cmd.Env = e.Dir, e.Env
	output := &head{limit: outputLimit}
	cmd.Stdout, cmd.Stderr = output, output
	killGroup(cmd)
	// A grandchild that left the group may hold the output open.
	cmd.WaitDelay = 50 * time.Millisecond
	err := cmd.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) { // it ended well and left somebody behind
		return nil
	}
	if text := printable(string(output.kept), 120); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// head keeps the first bytes written to it and drops the rest.
type head struct {
	limit int
	kept  []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), h.limit-len(h.kept))]...)
	return len(p), nil
}
