//go:build unix

package servers

import (
	"os/exec"
	"strconv"
	"syscall"
)

// watchParent starts a small shell that kills the process group pgid when this
// process ends, and returns what releases the group from it. The shell learns
// of the end by its standard input, a pipe whose other end only we hold: the
// kernel closes it however we die.
func watchParent(pgid int) (release func()) {
	const script = `while read -r _; do :; done; kill -s KILL -- "-$1"`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", strconv.Itoa(pgid))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return func() {}
	}
	if err := cmd.Start(); err != nil {
		pipe.Close()
		return func() {}
	}
	return func() {
		// Killed before the pipe is closed, or it would do its duty now.
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = pipe.Close()
	}
}
