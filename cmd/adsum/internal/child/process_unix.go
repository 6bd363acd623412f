//go:build unix

package child

import (
	"errors"
	"os"
	"syscall"
)

// Freezes tells whether Freeze works here.
const Freezes = true

// Freeze stops the child without it noticing, until Thaw. On Linux it returns
// once the child stands still, which may take a fifth of a second: should this
// process be killed from then on, the kernel wakes the child, which would else
// sleep on with its last signal unread.
func (p *Process) Freeze() error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	return awaitStop(p.PID())
}

// Thaw lets a frozen child go on.
func (p *Process) Thaw() error { return p.Signal(syscall.SIGCONT) }

func (p *Process) signal(sig os.Signal) error {
	select {
	case <-p.done:
		return os.ErrProcessDone
	default:
	}
	err := syscall.Kill(-p.PID(), sig.(syscall.Signal))
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
