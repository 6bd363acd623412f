package child

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func separate(cmd *exec.Cmd, orphaned syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
}

// stopLimit bounds the wait for a child to stand still. A shell that has just
// forked may never: it waits, deaf to signals, for a stopped child to begin.
const stopLimit = 200 * time.Millisecond

// awaitStop returns once the process has stopped or ended, or stopLimit is over.
// It leaves what it sees to be waited for by others.
func awaitStop(pid int) error {
	for began := time.Now(); time.Since(began) < stopLimit; time.Sleep(time.Millisecond) {
		var seen unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &seen, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.ECHILD): // waited for: it has ended
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return os.NewSyscallError("waitid", err)
		case seen.Signo != 0:
			return nil
		}
	}
	return nil
}
