package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/adsum-go/adsum/cmd/adsum/internal/child"
)

// startLimit is how long a process may take until it says where it listens.
const startLimit = 10 * time.Second

// actor is one process of the demo: this very program, in another part. It
// ends when its standard input does, which is when the demo ends, however.
type actor struct {
	*child.Process
	name  string
	says  string // the first line on its standard output
	stdin io.Closer
	log   *log
}

// log keeps what a process said on standard error, for the case of a failure.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// cast starts processes and ends those that are left.
type cast struct {
	executable string
	env        []string // beside this process' own
	actors     []*actor
}

// start returns once the process has said its first line. orphaned is the
// signal it gets when the demo is killed: the registry must tidy up, a server
// in front of no registry could only wait for it.
func (c *cast) start(ctx context.Context, orphaned syscall.Signal, name string, args ...string) (*actor, error) {
	cmd := exec.Command(c.executable, args...)
	cmd.Env = append(os.Environ(), c.env...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	reader, writer := io.Pipe()
	a := &actor{name: name, stdin: stdin, log: &log{}}
	cmd.Stdout, cmd.Stderr = writer, a.log
	if a.Process, err = child.Start(cmd, orphaned); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.actors = append(c.actors, a)
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(reader).ReadString('\n')
		lines <- strings.TrimSpace(line)
		io.Copy(io.Discard, reader)
	}()
	go func() {
		<-a.Done()
		writer.Close()
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	select {
	case a.says = <-lines:
	case <-ctx.Done():
	}
	if a.says == "" {
		return nil, fmt.Errorf("%s did not start: %s", name, a.log)
	}
	return a, nil
}

// end stops every process that is left, the registry after those that are
// registered in it, and returns once they are gone.
func (c *cast) end(registry *actor) error {
	var all sync.WaitGroup
	errs := make([]error, len(c.actors))
	for i, a := range c.actors {
		if a != registry {
			all.Go(func() { errs[i] = a.end() })
		}
	}
	all.Wait()
	if registry != nil {
		errs = append(errs, registry.end())
	}
	return errors.Join(errs...)
}

func (a *actor) end() error {
	err := a.Stop(os.Interrupt, 3*time.Second)
	return errors.Join(err, ignoreClosed(a.stdin.Close()))
}
