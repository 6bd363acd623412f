package consul

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// lease is one published record: a service of an agent.
type lease struct {
	r    *Registry
	name string // service/id, for errors
	id   string // of the service in the agent
	ttl  time.Duration

	// turn holds a token while nobody writes the record, so that waiting
	// for it can end with a context. It guards the fields below.
	turn     chan struct{}
	in       adsum.Instance // the owner's own word
	term     term           // of the last writing; only its serial changes
	override adsum.Override // the operator's word as we last obeyed it
	created  uint64         // when the catalog first knew the record, 0 before it was seen there
	beats    int

	ctx    context.Context // ends with the keeping of the lease
	cancel context.CancelFunc
	kept   sync.WaitGroup

	mu     sync.Mutex
	err    error // why it was lost; guarded by mu
	closed bool  // guarded by mu
	lost   chan struct{}
}

func newLease(r *Registry, in adsum.Instance, t term, ttl time.Duration) *lease {
	ctx, cancel := context.WithCancel(r.ctx)
	l := &lease{
		r: r, name: in.Service + "/" + in.ID, id: serviceID(in.Service, in.ID), ttl: ttl, in: in.Clone(), term: t,
		turn: make(chan struct{}, 1), lost: make(chan struct{}), ctx: ctx, cancel: cancel,
	}
	l.turn <- struct{}{}
	return l
}

// put writes the record and its checks. The caller has the turn, and has seen
// that the record is ours to write.
func (l *lease) put(ctx context.Context) error {
	ctx, cancel := l.r.request(ctx)
	defer cancel()
	next := l.term
	next.serial++
	record, err := l.r.registration(l.in, next, l.ttl)
	if err != nil {
		return err
	}
	if w := l.override.Weight; w != 0 {
		record.Meta[metaWeight] = strconv.Itoa(l.in.Weight)
		record.Weights = &api.AgentWeights{Passing: w, Warning: w}
	}
	checks, err := l.r.checks(ctx, l.id)
	if err != nil {
		return err
	}
	// Replacing all checks would end maintenance mode: what is left over
	// goes one by one then.
	maintained := maintenanceOf(checks, l.id) != nil
	err = l.r.client.Agent().ServiceRegisterOpts(record, api.ServiceRegisterOpts{ReplaceExistingChecks: !maintained}.WithContext(ctx))
	if err != nil {
		return err
	}
	l.term.serial = next.serial
	if maintained {
		return l.dropLeftOver(ctx, checks, record.Checks)
	}
	return nil
}

func (l *lease) dropLeftOver(ctx context.Context, checks map[string]*api.AgentCheck, wanted api.AgentServiceChecks) error {
	stays := map[string]bool{serviceMaintenance + l.id: true}
	for _, check := range wanted {
		stays[check.CheckID] = true
	}
	for id := range checks {
		if stays[id] {
			continue
		}
		if err := l.r.client.Agent().CheckDeregisterOpts(id, query(ctx)); err != nil && !unknown(err) {
			return err
		}
	}
	return nil
}

// checks reads the checks of one service of the agent.
func (r *Registry) checks(ctx context.Context, id string) (map[string]*api.AgentCheck, error) {
	return r.client.Agent().ChecksWithFilterOpts("ServiceID == "+strconv.Quote(id), query(ctx))
}

// unknown reports that the agent does not know the service or check.
func unknown(err error) bool {
	return answered(err, 404) || answered(err, 500) && strings.Contains(err.Error(), "Unknown ")
}

// Claim implements [adsum.Lease].
func (l *lease) Claim() adsum.Claim { return l.term.claim }

// Lost implements [adsum.Lease].
func (l *lease) Lost() <-chan struct{} { return l.lost }

// Err implements [adsum.Lease].
func (l *lease) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// lose ends the lease for a reason. The first reason stays.
func (l *lease) lose(why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.err != nil {
		return
	}
	l.err = fmt.Errorf("consul: %s: %w", l.name, bounded(why))
	l.cancel()
	close(l.lost)
}

// isLoss reports whether an error says that the record is no longer ours.
func isLoss(err error) bool {
	return errors.Is(err, adsum.ErrLeaseLost) || errors.Is(err, adsum.ErrSuperseded)
}

// acquire waits for its turn to write the record.
func (l *lease) acquire(ctx context.Context) error {
	select {
	case <-l.turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *lease) release() { l.turn <- struct{}{} }

// Update implements [adsum.Lease].
func (l *lease) Update(ctx context.Context, in adsum.Instance) error {
	in = in.WithDefaults()
	if err := errors.Join(in.Validate(), l.r.Validate(in)); err != nil {
		return err
	}
	tried := "update " + in.String()
	if err := l.acquire(ctx); err != nil {
		return l.r.explain(tried, err)
	}
	defer l.release()
	if in.Service != l.in.Service || in.ID != l.in.ID {
		return &adsum.InvalidError{Field: "instance", Value: strconv.Quote(in.String()), Problem: "it is not the one registered, " + l.in.String(),
			Fix: "keep service and id, or register anew"}
	}
	if err := l.Err(); err != nil {
		return err
	}
	if l.ctx.Err() != nil {
		return fmt.Errorf("consul: %s: %w: the lease was closed", tried, adsum.ErrLeaseLost)
	}
	before := l.in
	l.in = in.Clone()
	err := l.rewrite(ctx)
	if err != nil {
		l.in = before
	}
	if isLoss(err) {
		l.lose(err)
		return l.Err()
	}
	return l.r.explain(tried, err)
}

// rewrite writes the record if it is still ours.
func (l *lease) rewrite(ctx context.Context) error {
	if err := l.inspect(ctx); err != nil {
		return err
	}
	return l.put(ctx)
}

// Close implements [adsum.Lease]. Consul cannot compare and delete: the record
// is read first, and one that another owner writes in the instant between is
// removed, which that owner notices at its next beat.
func (l *lease) Close(ctx context.Context) error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		return nil
	}
	l.cancel()
	l.kept.Wait()
	tried := "withdraw " + l.name
	if err := l.acquire(ctx); err != nil { // an Update may be under way
		return l.r.explain(tried, err)
	}
	defer l.release()
	return l.r.explain(tried, l.withdraw(ctx))
}

// withdraw removes the record from the agent if it is this lease's.
func (l *lease) withdraw(ctx context.Context) error {
	ctx, cancel := l.r.request(ctx)
	defer cancel()
	held, err := l.r.held(ctx, l.id)
	if err != nil || held == nil || held.lease != l.term.lease {
		return err
	}
	if err := l.r.client.Agent().ServiceDeregisterOpts(l.id, query(ctx)); err != nil && !unknown(err) {
		return err
	}
	return nil
}
