package child

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// Freezes tells whether Freeze works here.
const Freezes = false

// Freeze fails: Windows has no signal that stops a process.
func (p *Process) Freeze() error { return errors.ErrUnsupported }

// Thaw fails as Freeze does.
func (p *Process) Thaw() error { return errors.ErrUnsupported }

// signal sends Ctrl-Break, the one request to end that a process group gets,
// for every signal but Kill.
func (p *Process) signal(sig os.Signal) error {
	if sig == os.Kill {
		return p.cmd.Process.Kill()
	}
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(p.PID()))
}

func separate(cmd *exec.Cmd, _ syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

func exitCode(state *os.ProcessState) int { return state.ExitCode() }
