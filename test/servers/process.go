//go:build unix

package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

const (
	// stopTimeout is how long a server may take to end after SIGTERM: well
	// under a second, but a JVM that archives its classes takes half a minute.
	stopTimeout = 2 * time.Minute
	// freezeTimeout is how long it may take to halt after SIGSTOP: less than
	// a millisecond, as a rule.
	freezeTimeout = 10 * time.Second
)

// process is one run of a program, from start to exit.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once the process is gone and was waited for
	err    error         // how it ended; read after exited is closed
}

// startProcess runs cmd in a process group of its own, so that a Ctrl-C at the
// terminal does not reach it, and bound to the life of this process. Output
// goes to the file logPath, after what it holds already, and whatever the
// program writes into its working directory beside it. The environment is
// bare: etcd and Consul would take settings from it.
func startProcess(cmd *exec.Cmd, logPath string) (*process, error) {
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = filepath.Dir(logPath)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "TMPDIR=" + os.TempDir()}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)

	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// run starts the process and waits for its end. It keeps one OS thread for
// that long: Linux ties a child's parent-death signal to the thread that
// started it, not to the process.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	if err != nil {
		started <- err
		return
	}
	release := guard(p.cmd.Process.Pid)
	started <- nil
	p.err = p.cmd.Wait()
	release()
	close(p.exited)
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal sends sig to the process and whatever it started.
func (p *process) signal(sig syscall.Signal) error {
	if !p.running() {
		return fmt.Errorf("process has ended: %v", p.err)
	}
	return syscall.Kill(-p.cmd.Process.Pid, sig)
}

func (p *process) kill() error {
	if !p.running() {
		return nil
	}
	if err := p.signal(syscall.SIGKILL); err != nil && p.running() {
		return err
	}
	<-p.exited
	return nil
}

// freeze halts the process and returns when it has halted.
func (p *process) freeze() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	timeout := time.NewTimer(freezeTimeout)
	defer timeout.Stop()
	pause := time.NewTicker(time.Millisecond)
	defer pause.Stop()
	for !isStopped(p.cmd.Process.Pid) {
		select {
		case <-pause.C:
		case <-p.exited:
			return fmt.Errorf("process has ended: %v", p.err)
		case <-timeout.C:
			return fmt.Errorf("still running %v after SIGSTOP", freezeTimeout)
		}
	}
	return nil
}

// stop ends the process by SIGTERM, and by SIGKILL and an error when it does
// not obey in time.
func (p *process) stop() error {
	if !p.running() {
		return nil
	}
	if err := p.signal(syscall.SIGTERM); err != nil && p.running() {
		return err
	}
	// A frozen process sees the SIGTERM only once it runs again.
	if err := p.signal(syscall.SIGCONT); err != nil && p.running() {
		return err
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-p.exited:
		return nil
	case <-timeout.C:
		err := fmt.Errorf("still running %v after SIGTERM", stopTimeout)
		return errors.Join(err, p.kill())
	}
}
