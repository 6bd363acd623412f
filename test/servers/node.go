//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// startTimeout is how long a server may take until it serves. It is far
	// more than any needs (a cold JVM: 8 s), for machines under load.
	startTimeout = 3 * time.Minute
	// probeInterval is the pause between two looks at a starting server.
	probeInterval = 10 * time.Millisecond
	// probeTimeout bounds one look. It is longer than the 500 ms after which
	// etcd tries a read again that an election interrupted.
	probeTimeout = time.Second
	// logTailBytes is how much of a log is shown when something went wrong.
	logTailBytes = 4 << 10
)

var errNotStarted = errors.New("was never started")

// Node is one server process with its own ports and data. It is a [Server].
type Node struct {
	name    string
	addr    string
	dir     string                                // holds the log and, in dataDir, the data
	command func() *exec.Cmd                      // a fresh command for each start
	probe   func(context.Context) error           // nil once the server serves
	seed    func(dataDir string) error            // fills a new data folder; may be nil
	report  func(operation string, e error) error // sees every result

	mu      sync.Mutex
	process *process // nil until the first start
}

func (n *Node) dataDir() string { return filepath.Join(n.dir, "data") }
func (n *Node) logPath() string { return filepath.Join(n.dir, "log") }

// Name tells the nodes of an ensemble apart.
func (n *Node) Name() string { return n.name }

// Addr implements [Server].
func (n *Node) Addr() string { return n.addr }

// Addrs implements [Server].
func (n *Node) Addrs() []string { return []string{n.addr} }

// Running reports whether the process exists, frozen or not.
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process != nil && n.process.running()
}

// PID is the process id of the last start, 0 before the first.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return 0
	}
	return n.process.cmd.Process.Pid
}

// Start implements [Server].
func (n *Node) Start() error { return n.report("start", n.locked(n.start)) }

// Stop implements [Server].
func (n *Node) Stop() error { return n.report("stop", n.locked(n.stop)) }

// Kill implements [Server].
func (n *Node) Kill() error { return n.report("kill", n.locked(n.kill)) }

// Freeze implements [Server].
func (n *Node) Freeze() error { return n.report("freeze", n.locked(n.freeze)) }

// Thaw implements [Server].
func (n *Node) Thaw() error { return n.report("thaw", n.locked(n.thaw)) }

// Restart implements [Server].
func (n *Node) Restart() error { return n.report("restart", n.locked(n.kill, n.start)) }

// Erase implements [Server].
func (n *Node) Erase() error { return n.report("erase", n.locked(n.erase)) }

// Wipe implements [Server].
func (n *Node) Wipe() error { return n.report("wipe", n.locked(n.kill, n.erase, n.start)) }

// LogTail implements [Server].
func (n *Node) LogTail() string {
	file, err := os.Open(n.logPath())
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > logTailBytes {
		_, _ = file.Seek(-logTailBytes, io.SeekEnd)
	}
	tail, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	return string(tail)
}

// locked runs the steps in turn, up to the first that fails.
func (n *Node) locked(steps ...func() error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
	}
	return nil
}

func (n *Node) start() error {
	if n.process != nil && n.process.running() {
		return nil
	}
	if err := n.makeData(); err != nil {
		return err
	}
	process, err := startProcess(n.command(), n.logPath())
	if err != nil {
		return err
	}
	n.process = process
	if err := n.ready(); err != nil {
		return errors.Join(fmt.Errorf("%w; the end of its log:\n%s", err, n.LogTail()), process.kill())
	}
	return nil
}

func (n *Node) makeData() error {
	if _, err := os.Stat(n.dataDir()); err == nil {
		return nil
	}
	if err := os.MkdirAll(n.dataDir(), 0o700); err != nil {
		return err
	}
	if n.seed == nil {
		return nil
	}
	return n.seed(n.dataDir())
}

// ready probes until the server serves. It gives up at once when the process
// ends: another server that happens to listen on our port would answer too.
func (n *Node) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	pause := time.NewTicker(probeInterval)
	defer pause.Stop()
	for {
		err := n.look(ctx)
		if !n.process.running() {
			return fmt.Errorf("ended while starting: %v", n.process.err)
		}
		if err == nil {
			return nil
		}
		select {
		case <-pause.C:
		case <-n.process.exited:
		case <-ctx.Done():
			return fmt.Errorf("not ready after %v: %w", startTimeout, err)
		}
	}
}

func (n *Node) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return n.probe(ctx)
}

func (n *Node) stop() error {
	if n.process == nil {
		return nil
	}
	return n.process.stop()
}

func (n *Node) kill() error {
	if n.process == nil {
		return nil
	}
	return n.process.kill()
}

func (n *Node) freeze() error {
	if n.process == nil {
		return errNotStarted
	}
	return n.process.freeze()
}

func (n *Node) thaw() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(sig syscall.Signal) error {
	if n.process == nil {
		return errNotStarted
	}
	return n.process.signal(sig)
}

func (n *Node) erase() error {
	if n.process != nil && n.process.running() {
		return errors.New("its data cannot be erased while it runs")
	}
	return os.RemoveAll(n.dataDir())
}
