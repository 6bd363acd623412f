//go:build unix

package servers

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// progressInterval is how often a long step says that it is still at work.
const progressInterval = 20 * time.Second

// progress tells a person what is being done and how long it took.
type progress struct {
	product string
	mu      *sync.Mutex // shared by all that write to w
	w       io.Writer
}

func (p *progress) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.w, "%-12s  %s\n", p.product, fmt.Sprintf(format, args...))
}

// step does work and prints its name before, its duration after, and now and
// then in between that it goes on.
func (p *progress) step(name string, work func() error) error {
	p.printf("%s ...", name)
	begin := time.Now()
	done := make(chan struct{})
	var ticking sync.WaitGroup
	ticking.Go(func() { p.tick(name, begin, done) })
	err := work()
	close(done)
	ticking.Wait()
	if err != nil {
		p.printf("%s: failed after %s", name, elapsed(begin))
		return err
	}
	p.printf("%s: %s", name, elapsed(begin))
	return nil
}

func (p *progress) tick(name string, begin time.Time, done <-chan struct{}) {
	ticker := time.NewTicker(progressInterval)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			p.printf("%s: still at it, %s", name, elapsed(begin))
		}
	}
}

func elapsed(begin time.Time) string {
	return time.Since(begin).Round(100 * time.Millisecond).String()
}

// run runs a command as a step, and puts what it printed into the error.
func (p *progress) run(ctx context.Context, name string, cmd *exec.Cmd) error {
	return p.step(name, func() error {
		out, err := cmd.CombinedOutput()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
		return nil
	})
}
