package memory

import (
	"context"
	"sync"
	"time"
)

// link is the way between a client and the server, or the server itself, and
// what is wrong with it.
type link struct {
	mu     sync.Mutex
	down   error         // fail at once with this
	frozen chan struct{} // not nil: say nothing until it is closed
	delay  time.Duration // before every answer
	broken chan struct{} // closed when down is set; made on demand
}

// pass lets one request through, late, never, or not at all.
func (l *link) pass(ctx context.Context) error {
	for {
		l.mu.Lock()
		down, frozen, delay := l.down, l.frozen, l.delay
		l.mu.Unlock()
		if frozen != nil {
			select {
			case <-frozen:
				continue
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if down != nil {
			return down
		}
		if delay > 0 {
			timer := time.NewTimer(delay)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return ctx.Err()
	}
}

// breaks returns a channel that is closed when the link goes down.
func (l *link) breaks() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken == nil {
		l.broken = make(chan struct{})
		if l.down != nil {
			close(l.broken)
		}
	}
	return l.broken
}

func (l *link) setDown(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.down
	l.down = err
	switch {
	case err != nil && was == nil && l.broken != nil:
		close(l.broken)
	case err == nil && was != nil:
		l.broken = nil
	}
}

func (l *link) freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen == nil {
		l.frozen = make(chan struct{})
	}
}

func (l *link) thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.frozen != nil {
		close(l.frozen)
		l.frozen = nil
	}
}

func (l *link) setDelay(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay = d
}
