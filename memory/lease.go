package memory

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

// lease keeps one record alive from a goroutine of its own.
type lease struct {
	registry    *Registry
	service, id string
	claim       adsum.Claim
	stop        context.CancelFunc
	done        chan struct{}

	mu        sync.Mutex
	published *adsum.Instance
	lost      chan struct{}
	err       error
	closed    bool
}

func newLease(r *Registry, in adsum.Instance, claim adsum.Claim, ttl time.Duration) *lease {
	ctx, stop := context.WithCancel(context.Background())
	l := &lease{registry: r, service: in.Service, id: in.ID, claim: claim, stop: stop,
		done: make(chan struct{}), lost: make(chan struct{}), published: &in}
	go l.keep(ctx, ttl)
	return l
}

// keep renews at a third of the TTL, and looks at once when something was
// written, so that a loss is noticed soon. While the server cannot be
// reached it goes on trying: the record may still be there.
func (l *lease) keep(ctx context.Context, ttl time.Duration) {
	defer close(l.done)
	ticker := time.NewTicker(ttl / 3)
	defer ticker.Stop()
	for {
		l.registry.server.mu.Lock()
		changed := l.registry.server.changed
		l.registry.server.mu.Unlock()
		attempt, cancel := context.WithTimeout(ctx, ttl/3)
		err := l.registry.call(attempt)
		cancel()
		if err == nil {
			err = l.renew()
		}
		if errors.Is(err, adsum.ErrLeaseLost) || errors.Is(err, adsum.ErrSuperseded) || errors.Is(err, adsum.ErrClosed) {
			l.lose(err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-ticker.C:
		}
	}
}

// renew holds mu, so that it does not see an update half done.
func (l *lease) renew() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.registry.server.renew(l.published, l.claim)
}

func (l *lease) lose(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && !l.closed {
		if errors.Is(err, adsum.ErrClosed) {
			err = errors.Join(adsum.ErrLeaseLost, err)
		}
		l.err = err
		close(l.lost)
		l.stop()
	}
}

func (l *lease) Claim() adsum.Claim    { return l.claim }
func (l *lease) Lost() <-chan struct{} { return l.lost }

func (l *lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *lease) Update(ctx context.Context, in adsum.Instance) error {
	if err := l.registry.call(ctx); err != nil {
		return err
	}
	err := l.update(in.WithDefaults())
	if err != nil {
		l.lose(err)
	}
	return err
}

func (l *lease) update(in adsum.Instance) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.published = &in
	return l.registry.server.update(in, l.claim)
}

func (l *lease) Close(ctx context.Context) error {
	l.mu.Lock()
	ended := l.closed || l.err != nil
	l.closed = true
	l.mu.Unlock()
	l.stop()
	<-l.done
	if ended {
		return nil
	}
	if err := l.registry.call(ctx); err != nil {
		return err
	}
	l.registry.server.withdraw(l.service, l.id, l.claim)
	return nil
}
