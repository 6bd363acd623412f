package adsum

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// supervisor is the goroutine of a Registration. It compares what should be
// published with what is, and does the one next thing that brings them
// together, until it is stopped.
type supervisor struct {
	*Registration
	terms     RegisterOptions
	lease     Lease    // nil while nothing is published
	lostLease Lease    // the last one, until there is another: the registry may still hold its record
	published Instance // with lease
	backoff   backoff
	retryAt   time.Time // no attempt before
	failing   bool      // the last attempt failed: do not log the next failure
}

func (s *supervisor) run(ctx context.Context) {
	defer close(s.done)
	defer s.stop()
	for ctx.Err() == nil && !s.State().Superseded {
		want, publish, recheck := s.wanted()
		if wait := time.Until(s.retryAt); wait > 0 {
			s.pause(ctx, wait)
			continue
		}
		switch {
		case publish && s.lease == nil:
			s.register(ctx, want)
		case publish && !want.Equal(&s.published):
			s.update(ctx, want)
		case !publish && s.lease != nil:
			s.withhold(ctx)
		default:
			s.pause(ctx, recheck)
		}
	}
	s.withdraw()
}

// wanted returns what should be published, whether it should be at all, and
// after how long to ask again if nothing else happens (0: never).
func (s *supervisor) wanted() (want Instance, publish bool, recheck time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.config.criticalAfter > 0 && !s.criticalSince.IsZero() {
		recheck = s.config.criticalAfter - time.Since(s.criticalSince)
		return s.want, recheck > 0, max(recheck, 0)
	}
	return s.want, true, 0
}

// pause waits for something to do: a new wish, the loss of the lease, or the
// time given (0: no limit).
func (s *supervisor) pause(ctx context.Context, limit time.Duration) {
	var lost <-chan struct{}
	if s.lease != nil {
		lost = s.lease.Lost()
	}
	var after <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-after:
	case <-lost:
		s.lost(s.lease.Err())
	}
}

func (s *supervisor) register(ctx context.Context, want Instance) {
	attempt, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	lease, err := s.registry.Register(attempt, want.Clone(), s.terms)
	if err != nil {
		s.failed(ctx, "register", err)
		return
	}
	s.counts.registrations.Add(1)
	s.lease, s.lostLease, s.published = lease, nil, want
	s.terms.Claim = lease.Claim()
	s.succeeded()
	s.setState(func(state *RegistrationState) {
		state.Registered, state.Withdrawn, state.Published = true, false, want
	})
	s.log.Info("registered", "addr", want.Addr, "status", string(want.Status), "lost", s.State().Lost)
}

func (s *supervisor) update(ctx context.Context, want Instance) {
	attempt, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	err := s.lease.Update(attempt, want.Clone())
	switch {
	case err == nil:
		s.counts.updates.Add(1)
		if want.Status != s.published.Status {
			s.log.Info("status published", "status", string(want.Status), "reason", want.Reason)
		}
		s.published = want
		s.succeeded()
		s.setState(func(state *RegistrationState) { state.Published = want })
	case errors.Is(err, ErrLeaseLost), errors.Is(err, ErrSuperseded):
		s.lost(err)
	default:
		s.failed(ctx, "update", err)
	}
}

// withhold takes the record of an instance that was critical for too long
// out of the registry.
func (s *supervisor) withhold(ctx context.Context) {
	attempt, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	if err := s.lease.Close(attempt); err != nil {
		// The lease keeps nothing alive any more: the record runs out.
		s.note(err)
	}
	s.log.Warn("withdrawn: critical for too long", "limit", s.config.criticalAfter, "reason", s.published.Reason)
	s.lease, s.published = nil, Instance{}
	s.setState(func(state *RegistrationState) {
		state.Registered, state.Withdrawn, state.Published = false, true, Instance{}
	})
}

// lost drops a lease that no longer keeps anything.
func (s *supervisor) lost(err error) {
	if err == nil {
		err = ErrLeaseLost
	}
	s.lease, s.lostLease, s.published = nil, s.lease, Instance{}
	if errors.Is(err, ErrSuperseded) {
		s.superseded(err)
		return
	}
	s.setState(func(state *RegistrationState) {
		state.Registered, state.Published = false, Instance{}
		state.Lost++
		state.LastError, state.LastErrorAt = err, time.Now()
	})
	s.log.Warn("registration lost, registering again", "error", err)
	s.retryAt = time.Now().Add(s.backoff.next())
}

func (s *supervisor) failed(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return // we are being closed; that the attempt was cut short is no news
	}
	s.counts.failures.Add(1)
	if errors.Is(err, ErrSuperseded) {
		s.superseded(err)
		return
	}
	delay := s.backoff.next()
	s.retryAt = time.Now().Add(delay)
	s.note(fmt.Errorf("%s: %w", what, err))
	if !s.failing {
		s.log.Warn("cannot "+what+", trying again until it works", "error", err)
	}
	s.failing = true
}

func (s *supervisor) succeeded() {
	s.backoff.reset()
	s.retryAt = time.Time{}
	s.failing = false
}

func (s *supervisor) superseded(err error) {
	s.lease, s.lostLease = nil, nil
	s.log.Error("superseded: another process holds this id; this registration ends", "error", err)
	s.setState(func(state *RegistrationState) {
		state.Registered, state.Superseded, state.Published = false, true, Instance{}
		state.LastError, state.LastErrorAt = err, time.Now()
	})
}

func (s *supervisor) note(err error) {
	s.setState(func(state *RegistrationState) { state.LastError, state.LastErrorAt = err, time.Now() })
}

// withdraw is the last act: the record goes, with a context that outlives
// the one that ended us. So does one that was lost in an outage, and that a
// registry which comes back may still hold.
func (s *supervisor) withdraw() {
	lease := cmp.Or(s.lease, s.lostLease)
	if lease == nil {
		return
	}
	s.mu.Lock()
	ctx := s.closing
	s.mu.Unlock()
	err := lease.Close(ctx)
	s.lease, s.lostLease = nil, nil
	s.setState(func(state *RegistrationState) { state.Registered, state.Published = false, Instance{} })
	if err != nil {
		err = fmt.Errorf("withdraw %s from %s: %w; the record runs out after its TTL of %v",
			s.name, s.registry.Capabilities().Registry, err, s.terms.TTL)
		s.log.Warn("closed, but not withdrawn", "error", err)
	} else {
		s.log.Info("withdrawn: closed")
	}
	s.mu.Lock()
	s.closeErr = err
	s.mu.Unlock()
}
