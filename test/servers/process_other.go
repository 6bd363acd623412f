//go:build unix && !linux

package servers

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent has no counterpart outside Linux; guard does the work.
func dieWithParent(*syscall.SysProcAttr) {}

// guard kills the process group pgid when this process ends.
func guard(pgid int) (release func()) { return watchParent(pgid) }

// isStopped reports whether the process is halted.
func isStopped(pid int) bool {
	state, err := exec.Command("ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.HasPrefix(string(state), "T")
}
