//go:build unix && !linux

package child

import (
	"os/exec"
	"syscall"
)

func separate(cmd *exec.Cmd, _ syscall.Signal) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func awaitStop(int) error { return nil }
