// Package child runs programs that do not outlive this one.
package child

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a running child, in a process group of its own: a Ctrl-C at the
// terminal reaches only this program, which decides what its children get.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	code int
}

// Start starts the command. Where the kernel can do so (Linux), the child
// gets the signal orphaned when this process ends, however it ends.
func Start(cmd *exec.Cmd, orphaned syscall.Signal) (*Process, error) {
	separate(cmd, orphaned)
	cmd.WaitDelay = time.Second // grandchildren may keep an output pipe open
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// run stays on one thread, because the kernel takes the end of the thread
// that started a child for the end of its parent.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	_ = p.cmd.Wait() // how it ended is in the state
	p.code = exitCode(p.cmd.ProcessState)
	close(p.done)
}

// PID is the number of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed once the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode is what a shell would report: the child's own code, or 128 and the
// number of the signal that ended it. It is valid once Done is closed.
func (p *Process) ExitCode() int { return p.code }

// Signal sends the signal to the child and to what it started in turn.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Stop ends the child: politely, and by force when it has not ended within
// the patience. It returns once the child is gone.
func (p *Process) Stop(sig os.Signal, patience time.Duration) error {
	err := p.Signal(sig)
	select {
	case <-p.done:
		return err
	case <-time.After(patience):
	}
	return errors.Join(err, p.Kill())
}

// Kill ends the child at once and returns when it is gone.
func (p *Process) Kill() error {
	err := p.Signal(os.Kill)
	<-p.done
	return err
}
