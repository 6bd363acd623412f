package servers

import "syscall"

// dieWithParent has the kernel kill the child when the thread that starts it
// ends, which holds however this process dies.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// guard has nothing to add to the parent-death signal.
func guard(int) (release func()) { return func() {} }
