//go:build unix && !linux

package servers

import "syscall"

// dieWithParent has no counterpart outside Linux; guard does the work.
func dieWithParent(*syscall.SysProcAttr) {}

// guard kills the process group pgid when this process ends.
func guard(pgid int) (release func()) { return watchParent(pgid) }
