package servers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// dieWithParent has the kernel kill the child when the thread that starts it
// ends, which holds however this process dies.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// guard has nothing to add to the parent-death signal.
func guard(int) (release func()) { return func() {} }

// isStopped reports whether every thread of the process is halted. After
// SIGSTOP they halt one by one, and until the last has, it may still answer.
func isStopped(pid int) bool {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return false
	}
	for _, stat := range stats {
		line, err := os.ReadFile(stat)
		if err != nil {
			return false
		}
		// PID (NAME) STATE ..., where the name may hold anything.
		if !bytes.HasPrefix(line[bytes.LastIndexByte(line, ')')+1:], []byte(" T ")) {
			return false
		}
	}
	return len(stats) > 0
}
