package adsumtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adsum-go/adsum"
)

// The cases about contexts, credentials, certificates and clocks.

// hasty bounds calls into a black hole.
const hasty = 300 * time.Millisecond

func contextsAreHonoured(s *scene) {
	NoLeaks(s)
	link := s.connect(s.T, s.base)
	s.closeAtEnd(link.Registry)
	s.usedByMany(link.Registry)
	if link.Freeze == nil {
		s.endsInTime("an idle watch whose context ends", s.Slack, s.observed(link.Registry).end)
	} else {
		s.blackHole(link)
	}
	s.closedRegistryIsClosed()
}

// observed is a watch that has had its first answer.
func (s *scene) observed(registry adsum.Registry) *observer {
	s.Helper()
	o := s.observe(registry, s.service)
	o.first()
	return o
}

// blackHole checks that whatever a driver is asked ends in time while its
// connection is one.
func (s *scene) blackHole(link *Client) {
	s.Helper()
	registry := link.Registry
	s.Cleanup(link.Thaw)
	o := s.observed(registry)
	var lease adsum.Lease
	if s.caps.Register {
		lease = s.lease(registry, s.instance(1), newOwner())
		o.see("the instance", s.propagation(), lists(s.instance(1).ID))
	}
	link.Freeze()
	s.endsInTime("an idle watch whose context ends", s.Slack, o.end)
	s.endsInTime("a first watch into a black hole", hasty+s.Slack, func() {
		ctx, cancel := context.WithTimeout(context.Background(), hasty)
		defer cancel()
		if err := registry.Watch(ctx, s.service+"-other", func(adsum.Listing) { s.Error("a black hole answered") }); err != nil && ctx.Err() == nil {
			s.Logf("a watch into a black hole ended early, with %v", err)
		}
	})
	if lease != nil {
		s.callsIntoABlackHole(registry, lease)
	}
	link.Thaw()
}

// usedByMany calls everything at once, for the race detector to look at.
func (s *scene) usedByMany(registry adsum.Registry) {
	s.Helper()
	var many sync.WaitGroup
	for n := range 8 {
		many.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
			defer cancel()
			if err := registry.Watch(ctx, s.service, func(adsum.Listing) { cancel() }); err != nil {
				s.Errorf("one of many watches: %v", err)
			}
		})
		if s.caps.Register {
			many.Go(func() { s.leaseUsedByMany(registry, s.instance(10+n)) })
		}
	}
	many.Wait()
}

func (s *scene) leaseUsedByMany(registry adsum.Registry, in adsum.Instance) {
	ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
	defer cancel()
	lease, err := registry.Register(ctx, in.WithDefaults(), adsum.RegisterOptions{TTL: s.caps.ClampTTL(s.longTTL()), Claim: newOwner()})
	if err != nil {
		s.Errorf("one of many registrations: %v", err)
		return
	}
	all := func(do func(n int) error) {
		var both sync.WaitGroup
		for n := range 2 {
			both.Go(func() {
				if err := do(n); err != nil {
					s.Errorf("a lease used by two: %v", err)
				}
			})
		}
		both.Wait()
	}
	all(func(n int) error {
		changed := in
		changed.Weight = n + 2
		_ = lease.Claim()
		return errors.Join(lease.Update(ctx, changed.WithDefaults()), lease.Err())
	})
	all(func(int) error { return lease.Close(ctx) })
}

// callsIntoABlackHole checks that each call of a driver ends with its context
// and says that it failed.
func (s *scene) callsIntoABlackHole(registry adsum.Registry, lease adsum.Lease) {
	s.Helper()
	calls := map[string]func(context.Context) error{
		"register": func(ctx context.Context) error {
			_, err := registry.Register(ctx, s.instance(2).WithDefaults(), adsum.RegisterOptions{TTL: s.caps.ClampTTL(s.TTL), Claim: newOwner()})
			return err
		},
		"update": func(ctx context.Context) error {
			in := s.instance(1)
			in.Version = "unheard"
			return lease.Update(ctx, in.WithDefaults())
		},
	}
	for name, call := range calls {
		s.endsInTime(name, hasty+s.Slack, func() {
			ctx, cancel := context.WithTimeout(context.Background(), hasty)
			defer cancel()
			if err := call(ctx); err == nil {
				s.Errorf("%s into a black hole succeeds", name)
			}
		})
	}
	s.endsInTime("close", hasty+s.Slack, func() {
		ctx, cancel := context.WithTimeout(context.Background(), hasty)
		defer cancel()
		if err := lease.Close(ctx); err == nil {
			s.Error("close into a black hole claims to have withdrawn")
		}
	})
}

// closedRegistryIsClosed checks what Close of a registry promises.
func (s *scene) closedRegistryIsClosed() {
	s.Helper()
	registry := s.client()
	answered := make(chan struct{}, 1000)
	ended := make(chan error, 1)
	go func() {
		ended <- registry.Watch(context.Background(), s.service, func(adsum.Listing) {
			select {
			case answered <- struct{}{}:
			default:
			}
		})
	}()
	select {
	case <-answered:
	case err := <-ended:
		s.Fatalf("the watch ended with %v", err)
	case <-time.After(s.Patience):
		s.Fatal("no first answer")
	}
	s.must(registry.Close())
	select {
	case err := <-ended:
		if !errors.Is(err, adsum.ErrClosed) {
			s.Errorf("when the registry is closed a watch ends with %v, want ErrClosed", err)
		}
	case <-time.After(s.Patience):
		s.Error("a watch outlives the registry")
	}
	if err := registry.Close(); err != nil {
		s.Errorf("a second close: %v", err)
	}
	if err := registry.Watch(s.bounded(), s.service, func(adsum.Listing) {}); !errors.Is(err, adsum.ErrClosed) {
		s.Errorf("a watch of a closed registry: %v, want ErrClosed", err)
	}
}

// endsInTime fails if do takes longer than the bound.
func (s *scene) endsInTime(what string, bound time.Duration, do func()) {
	s.Helper()
	start := time.Now()
	do()
	if took := time.Since(start); took > bound {
		s.Errorf("%s took %v, want at most %v", what, took, bound)
	}
}

// refused checks that the registry refuses to list a service, with this
// error, and shows nothing.
func (s *scene) refused(who string, registry adsum.Registry, want error) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
	defer cancel()
	err := registry.Watch(ctx, s.service, func(l adsum.Listing) {
		s.Errorf("%s was answered: %s", who, list(l.Instances))
		cancel()
	})
	if !errors.Is(err, want) {
		s.Errorf("the watch of %s ends with %v, want %v", who, err, want)
	}
}

func deniedIsAFinalError(s *scene) {
	registry := s.Denied(s.T, s.base)
	s.closeAtEnd(registry)
	s.refused("a client without the right", registry, adsum.ErrDenied)
	if s.caps.Register {
		_, err := registry.Register(s.bounded(), s.instance(1).WithDefaults(), adsum.RegisterOptions{TTL: s.caps.ClampTTL(s.TTL), Claim: newOwner()})
		if !errors.Is(err, adsum.ErrDenied) {
			s.Errorf("register without the right: %v, want ErrDenied", err)
		}
	}
	start := time.Now()
	if _, err := s.directory(registry).Snapshot(s.bounded(), s.service); !errors.Is(err, adsum.ErrDenied) || !adsum.Final(err) {
		s.Errorf("a snapshot without the right: %v, want ErrDenied", err)
	}
	s.measured("denied→error", time.Since(start))
}

func credentialsComeBack(s *scene) {
	c := s.Credentials(s.T, s.base)
	s.closeAtEnd(c.Registry)
	before, during := s.instance(1), s.instance(2)
	v := s.view(c.Registry)
	var seen *changes
	if s.caps.Register {
		s.register(c.Registry, before, s.longTTL())
		v.see("what was registered with the right", s.propagation(), shows(before.ID))
		seen = v.collect()
	} else {
		s.must(v.Ready(s.bounded()))
	}
	c.Revoke()
	s.eventually("the registry to refuse", s.Patience, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
		defer cancel()
		err := c.Registry.Watch(ctx, s.service, func(adsum.Listing) { cancel() })
		return errors.Is(err, adsum.ErrDenied)
	})
	var reg *adsum.Registration
	if s.caps.Register {
		reg = s.registering(c.Registry, during, s.longTTL())
		s.eventually("the registration to be refused", s.Patience, func() bool { return errors.Is(reg.State().LastError, adsum.ErrDenied) })
	}
	c.Restore()
	start := time.Now()
	if reg != nil {
		s.await(reg, "registered", isRegistered)
		v.see("what was registered meanwhile", s.Patience, shows(before.ID, during.ID))
		noneRemoved(s, seen, before.ID)
	}
	v.see("current", s.Patience, isCurrent)
	s.measured("given back→recovered", time.Since(start))
}

func clockStepsBack(s *scene) {
	var stepped atomic.Int64
	registry := s.Clock(s.T, s.base, func() time.Time { return time.Now().Add(time.Duration(stepped.Load())) })
	s.closeAtEnd(registry)
	in := s.instance(1)
	lease := s.lease(registry, in, newOwner())
	o := s.observe(s.client(), s.service)
	o.see("the instance", s.propagation(), lists(in.ID))
	stepped.Store(int64(-time.Hour))
	version := func(want string) func(adsum.Listing) bool {
		return func(l adsum.Listing) bool {
			got := find(l.Instances, in.ID)
			return got != nil && got.Version == want
		}
	}
	in.Version = "an hour earlier"
	s.must(lease.Update(s.bounded(), in.WithDefaults()))
	o.see("the update", s.propagation(), version(in.Version))
	in.Version = "started an hour earlier"
	s.lease(registry, in, newOwner())
	o.see("the younger owner", s.propagation(), version(in.Version))
}

func tlsIsVerified(s *scene) {
	clients := s.TLS(s.T, s.base)
	for _, registry := range []adsum.Registry{clients.Trusted, clients.WrongAuthority, clients.WrongName, clients.NoCertificate} {
		s.closeAtEnd(registry)
	}
	if s.caps.Register {
		s.register(clients.Trusted, s.instance(1), s.longTTL())
		s.view(clients.Trusted).see("what was registered over mutual TLS", s.propagation(), shows(s.instance(1).ID))
	} else {
		s.observe(clients.Trusted, s.service).first()
	}
	s.refused("a client that trusts another authority", clients.WrongAuthority, adsum.ErrUntrusted)
	s.refused("a client that expects another name", clients.WrongName, adsum.ErrUntrusted)
	// Some servers end such a connection without saying why.
	ctx, cancel := context.WithTimeout(context.Background(), max(3*time.Second, s.Slack))
	defer cancel()
	_ = clients.NoCertificate.Watch(ctx, s.service, func(l adsum.Listing) {
		s.Errorf("a client without a certificate was answered: %s", list(l.Instances))
		cancel()
	})
}
