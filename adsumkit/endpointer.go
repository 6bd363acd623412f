package adsumkit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"

	"github.com/adsum-go/adsum"
)

var _ sd.Endpointer = (*Endpointer)(nil)

// How long to wait before a factory that failed is asked again: the first of
// these, doubled up to the second.
const (
	factoryRetry    = time.Second
	factoryRetryMax = 30 * time.Second
)

// Endpointer is go-kit's sd.Endpointer on an Instancer: it keeps one endpoint,
// made by the factory, for each instance that calls may go to, for as long as
// the instance keeps its id, its address and the string that the factory got;
// what else is said of it changes nothing. A factory that fails hides no other
// instance and is asked again. When an instance goes, its closer runs after the
// calls under way.
//
// The factory is called by one goroutine at a time. All methods are safe for
// concurrent use.
type Endpointer struct {
	instancer *Instancer
	factory   sd.Factory
	log       *slog.Logger
	stop      chan struct{}
	done      chan struct{}
	closing   sync.Once
	current   atomic.Pointer[roster]

	mu        sync.Mutex          // held while reconciling
	failures  map[string]*failure // by instance id
	balancers []*Balancer
}

// failure is a factory's, for one instance.
type failure struct {
	addr    string
	err     error
	times   int
	retryAt time.Time
}

// EndpointerOption adjusts [NewEndpointer].
type EndpointerOption func(*Endpointer)

// WithEndpointerLogger sets where failing factories and closers are logged,
// [slog.Default] if not given or nil; see [NewLogger].
func WithEndpointerLogger(logger *slog.Logger) EndpointerOption {
	return func(e *Endpointer) { e.log = cmp.Or(logger, slog.Default()) }
}

// NewEndpointer makes the endpoints of what the instancer knows now, so that
// they are there when it returns, and follows its changes. Close the
// Endpointer before the Instancer.
func NewEndpointer(instancer *Instancer, factory sd.Factory, opts ...EndpointerOption) *Endpointer {
	e := &Endpointer{instancer: instancer, factory: factory, log: slog.Default(),
		stop: make(chan struct{}), done: make(chan struct{}), failures: map[string]*failure{}}
	for _, opt := range opts {
		opt(e)
	}
	e.log = e.log.With("service", instancer.view.Service())
	e.current.Store(&roster{snapshot: &adsum.Snapshot{}})
	changed := instancer.view.Changed()
	retry := e.reconcile()
	go e.run(changed, retry)
	return e
}

func (e *Endpointer) run(changed <-chan struct{}, retry time.Duration) {
	defer close(e.done)
	timer := time.NewTimer(retry)
	defer timer.Stop()
	for {
		select {
		case <-e.stop:
			return
		case <-changed:
		case <-timer.C:
		}
		changed = e.instancer.view.Changed()
		timer.Reset(e.reconcile())
	}
}

// reconcile brings endpoints in line with the instances, and returns after how
// long to do so again even if these do not change.
func (e *Endpointer) reconcile() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.instancer.Snapshot()
	r, retired := e.next(e.current.Load(), s)
	e.current.Store(r)
	for _, b := range e.balancers {
		b.engine.Update(r.snapshot)
	}
	for _, m := range retired {
		m.release()
	}
	return e.forget(s)
}

// next makes the roster for a snapshot out of the last one, and tells which
// members are in it no longer. Both are sorted by id, and an instance that did
// not change is the same pointer.
func (e *Endpointer) next(old *roster, s *adsum.Snapshot) (r *roster, retired []*member) {
	offered := *s
	offered.Instances = make([]*adsum.Instance, 0, len(s.Instances))
	r = &roster{snapshot: &offered, members: make([]*member, 0, len(s.Instances))}
	r.endpoints = sync.OnceValue(r.callable)
	known := old.snapshot.Instances
	i := 0
	for _, in := range s.Instances {
		for i < len(known) && known[i] != in && known[i].ID < in.ID {
			retired = retire(retired, old.members[i])
			i++
		}
		var had *member
		if i < len(known) && (known[i] == in || known[i].ID == in.ID) {
			had = old.members[i]
			i++
		}
		m, err := e.member(had, in)
		if m != had {
			retired = retire(retired, had)
		}
		if err != nil {
			r.lack(err)
			continue
		}
		offered.Instances = append(offered.Instances, in)
		r.members = append(r.members, m)
	}
	for ; i < len(known); i++ {
		retired = retire(retired, old.members[i])
	}
	return r, retired
}

func retire(retired []*member, m *member) []*member {
	if m == nil {
		return retired
	}
	return append(retired, m)
}

// member returns the instance's endpoint, made now unless it is the one the
// instance had. An instance that is not callable keeps what it has, and may
// have nothing.
func (e *Endpointer) member(had *member, in *adsum.Instance) (*member, error) {
	addr, _ := in.Address(e.instancer.protocols...)
	text := e.instancer.text(in)
	if had != nil && had.addr == addr && had.text == text {
		return had, nil
	}
	if !in.Status.Callable() {
		return nil, nil
	}
	f := e.failures[in.ID]
	if f != nil && f.addr == addr && time.Now().Before(f.retryAt) {
		return nil, f.err
	}
	call, closer, err := e.factory(text)
	if err == nil && call == nil {
		err = errors.New("the factory returned no endpoint")
	}
	if err != nil {
		return nil, e.failed(in, addr, f, err)
	}
	delete(e.failures, in.ID)
	m := newMember(addr, text, call, closer, func(err error) {
		if err != nil {
			e.log.Warn("closer of an instance failed", "instance", in.ID, "error", err)
		}
	})
	m.kept = e.rerouting(m)
	return m, nil
}

// failed notes when to ask the factory again.
func (e *Endpointer) failed(in *adsum.Instance, addr string, f *failure, err error) error {
	if f == nil || f.addr != addr {
		f = &failure{addr: addr}
		e.failures[in.ID] = f
		e.log.Warn("no endpoint for an instance, trying again until there is", "instance", in.ID, "error", err)
	}
	f.err = fmt.Errorf("factory for %s: %w", in, err)
	f.retryAt = time.Now().Add(min(factoryRetry<<min(f.times, 10), factoryRetryMax))
	f.times++
	return f.err
}

// forget drops the failures of instances that are gone, and returns how long
// it is until the next factory is to be asked again.
func (e *Endpointer) forget(s *adsum.Snapshot) time.Duration {
	next := time.Duration(1<<63 - 1)
	for id, f := range e.failures {
		if in, ok := s.Get(id); !ok || !in.Status.Callable() {
			delete(e.failures, id)
			continue
		}
		next = min(next, max(time.Until(f.retryAt), 0))
	}
	return next
}

// Endpoints returns the endpoints of the instances that calls may go to, in
// the order of their ids. While the registry is away, these are the last known
// good. The error says that nothing is known of the service yet. The slice must
// not be modified.
//
// A call on one whose instance has gone meanwhile goes to another.
func (e *Endpointer) Endpoints() ([]endpoint.Endpoint, error) {
	r := e.current.Load()
	if !r.snapshot.Known() {
		return nil, errors.Join(fmt.Errorf("service %q: %w", r.snapshot.Service, adsum.ErrNoSnapshot), r.snapshot.Err)
	}
	return r.endpoints(), nil
}

// rerouting is the endpoint of a member for callers that keep it: when the
// member was closed, the call goes to one that was not.
func (e *Endpointer) rerouting(m *member) endpoint.Endpoint {
	return func(ctx context.Context, request any) (any, error) {
		if m.acquire() {
			return m.invoke(ctx, request)
		}
		r := e.current.Load()
		for i, in := range r.snapshot.Instances {
			if in.Status.Callable() && r.members[i].acquire() {
				return r.members[i].invoke(ctx, request)
			}
		}
		return nil, r.gone()
	}
}

// Close stops to follow the instancer and retires every endpoint: closers run
// at once, or when the last call of theirs ends. Calls fail from then on. A
// second call does nothing.
func (e *Endpointer) Close() {
	e.closing.Do(func() {
		close(e.stop)
		<-e.done
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, m := range e.current.Load().members {
			if m != nil {
				m.release()
			}
		}
		for _, b := range e.balancers {
			b.leave()
			b.engine.Close()
		}
	})
}
