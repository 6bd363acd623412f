//go:build unix

package health

import (
	"os/exec"
	"syscall"
)

// killGroup makes the command lead a process group of its own, all of which
// is killed when its context ends.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// shell is the command that runs a line of text.
func shell(line string) []string { return []string{"/bin/sh", "-c", line} }
