package adsumtest

import (
	"slices"
	"time"

	"github.com/adsum-go/adsum"
)

// The cases about a registry that cannot be reached, and clients that must
// neither forget, nor hang, nor storm.

// kill ends the server, and starts it when the case ends.
func (s *scene) kill() {
	s.Helper()
	s.Cleanup(func() { s.must(s.Server.Start()) })
	s.must(s.Server.Kill())
}

func shortOutageMakesNoFlap(s *scene) {
	one, two := s.instance(1), s.instance(2)
	registry := s.client()
	first := s.register(registry, one, s.longTTL())
	s.register(registry, two, s.longTTL())
	v := s.view(s.client())
	v.see("both", s.propagation(), shows(one.ID, two.ID))
	seen := v.collect()
	s.kill()
	s.must(s.Server.Start())
	start := time.Now()
	s.hearsLaterChanges(v)
	s.measured("back→heard", time.Since(start))
	s.must(first.Update(func(in *adsum.Instance) { in.Version = "after" }))
	v.see("an update after the outage", s.Patience, func(snapshot *adsum.Snapshot) bool {
		in, ok := snapshot.Get(one.ID)
		return ok && in.Version == "after" && len(snapshot.Instances) == 2 && isCurrent(snapshot)
	})
	noneRemoved(s, seen, one.ID, two.ID)
}

func longOutageKeepsTheSnapshot(s *scene) {
	in := s.instance(1)
	reg := s.publishExpiring(in)
	v := s.view(s.client())
	v.see("the instance", s.propagation(), shows(in.ID))
	seen := v.collect()
	o := s.observe(s.client(), s.service)
	o.see("the instance", s.propagation(), lists(in.ID))
	o.mayBreak = true
	s.kill()
	s.measured("outage→stale", v.see("stale", s.silence(), isStale))
	if snapshot := v.Snapshot(); snapshot.Err == nil {
		s.Errorf("a stale snapshot does not say why: %s", describe(snapshot))
	}
	v.hold("the last snapshot stays while the registry is down", s.detection(), func(snapshot *adsum.Snapshot) bool {
		return shows(in.ID)(snapshot) && snapshot.Stale()
	})
	if answer := o.latest(); !lists(in.ID)(answer) {
		s.Errorf("while the registry was down the driver emitted %s: an error is to be returned, never emitted", list(answer.Instances))
	}
	s.must(s.Server.Start())
	start := time.Now()
	v.see("current", s.Patience, isCurrent)
	s.measured("back→recovered", time.Since(start))
	if reg != nil {
		s.await(reg, "registered", isRegistered)
	}
	s.observe(s.client(), s.service).see("the instance", s.propagation(), lists(in.ID))
	noneRemoved(s, seen, in.ID)
}

// publishExpiring publishes with the short TTL, where the driver can.
func (s *scene) publishExpiring(in adsum.Instance) *adsum.Registration {
	s.Helper()
	if !s.caps.Register {
		s.publish(in)
		return nil
	}
	return s.register(s.client(), in, s.TTL)
}

// silence is how long a registry that says nothing may go unnoticed: a watch
// is given up after twice its heartbeat and a second, and its snapshot is
// stale half a second later.
func (s *scene) silence() time.Duration {
	return 2*s.caps.Heartbeat + 1500*time.Millisecond + s.Slack
}

func frozenRegistryIsStaleInTime(s *scene) {
	in := s.instance(1)
	r := s.publish(in)
	v := s.view(s.client())
	v.see("the instance", s.propagation(), shows(in.ID))
	seen := v.collect()
	s.Cleanup(func() { s.must(s.Server.Thaw()) })
	s.must(s.Server.Freeze())
	s.measured("frozen→stale", v.see("stale", s.silence(), isStale))
	s.must(s.Server.Thaw())
	start := time.Now()
	v.see("current", s.Patience, isCurrent)
	s.measured("thawed→recovered", time.Since(start))
	if r.reg != nil {
		s.await(r.reg, "registered", isRegistered)
	}
	s.hearsLaterChanges(v)
	noneRemoved(s, seen, in.ID)
}

func failsOverAmongEndpoints(s *scene) {
	a, b := NewProxy(s, s.Endpoints[0]), NewProxy(s, s.Endpoints[len(s.Endpoints)-1])
	registry := s.open(s.T, s.URL(s.base, deadEndpoint, a.Addr(), b.Addr()))
	s.closeAtEnd(registry)
	v := s.view(registry)
	in := s.instance(1)
	start := time.Now()
	r := s.publish(in)
	v.see("the instance, past a dead first endpoint", s.Patience, shows(in.ID))
	s.measured("first down→found", time.Since(start))
	var reg *adsum.Registration
	if s.caps.Register {
		reg = s.register(registry, s.instance(2), s.longTTL())
	}
	for round, lost := range []*Proxy{a, b} {
		version := []string{"without the second", "without the third"}[round]
		lost.Down()
		start := time.Now()
		r.update(func(in *adsum.Instance) { in.Version = version })
		v.see("an update "+version, s.Patience, func(snapshot *adsum.Snapshot) bool {
			got, ok := snapshot.Get(in.ID)
			return ok && got.Version == version && isCurrent(snapshot)
		})
		if reg != nil {
			s.must(reg.Update(func(in *adsum.Instance) { in.Version = version }))
			s.await(reg, "updated "+version, func(state adsum.RegistrationState) bool {
				return state.Registered && state.Published.Version == version
			})
		}
		s.measured("endpoint lost→heard", time.Since(start))
		s.must(lost.Up())
	}
}

// deadEndpoint refuses connections. It is none of those that the system gives to
// whoever asks for any port, as other tests do meanwhile.
const deadEndpoint = "127.0.0.1:1"

func changesWhileDisconnectedAreSeen(s *scene) {
	gone, changed, added := s.instance(1), s.instance(2), s.instance(3)
	leaves, changes := s.publish(gone), s.publish(changed)
	registry := s.cuttable()
	v := s.view(registry.Registry)
	v.see("both", s.propagation(), shows(gone.ID, changed.ID))
	registry.Cut()
	s.measured("cut→stale", v.see("stale", s.silence(), isStale))
	leaves.withdraw()
	changes.update(func(in *adsum.Instance) { in.Version = "while away" })
	s.publish(added)
	if snapshot := v.Snapshot(); !shows(gone.ID, changed.ID)(snapshot) {
		s.Errorf("while disconnected the last known good is gone: %s", describe(snapshot))
	}
	registry.Heal()
	s.measured("healed→caught up", v.see("what happened meanwhile", s.Patience, caughtUp(gone.ID, changed.ID, added.ID)))
	v.see("current", s.Patience, isCurrent)
}

// backoffWindow is for how long clients are left alone with a registry that
// does not answer.
const backoffWindow = 4 * time.Second

func backoffIsJitteredAndCapped(s *scene) {
	registry := s.cuttable()
	registry.Cut()
	counted := &counted{Registry: registry.Registry}
	dir := s.directory(counted)
	const each = 10
	var regs []*adsum.Registration
	var views []*view
	for n := range each {
		views = append(views, s.look(dir, s.instance(n).ID))
		if s.caps.Register {
			regs = append(regs, s.registering(counted, s.instance(n), s.longTTL()))
		}
	}
	attemptsBefore := 0
	if registry.Attempts != nil {
		attemptsBefore = registry.Attempts()
	}
	<-time.After(backoffWindow)
	for name, calls := range counted.byCaller() {
		// Five attempts at 0, ≤0.1, 0.3, 0.7, 1.5 and one at 3.1 s, each a fifth sooner.
		if len(calls) > 8 {
			s.Errorf("%s: %d attempts in %v: a storm", name, len(calls), backoffWindow)
		}
	}
	jittered(s, counted.byCaller())
	if registry.Attempts != nil {
		// Below a driver a client library makes attempts of its own.
		if attempts, most := registry.Attempts()-attemptsBefore, 16*(each+len(regs)); attempts > most {
			s.Errorf("%d connections were tried in %v by %d watches and registrations, want at most %d", attempts, backoffWindow, each+len(regs), most)
		}
	}
	registry.Heal()
	start := time.Now()
	for _, v := range views {
		v.see("current", s.Patience, isCurrent)
	}
	for _, reg := range regs {
		s.await(reg, "registered", isRegistered)
	}
	s.measured("healed→all back", time.Since(start))
}

// jittered fails if callers that began together try again in step, each time. On
// a machine that is too busy to wake them, they may be in step once or twice.
func jittered(s *scene, byCaller map[string][]time.Time) {
	s.Helper()
	var spread time.Duration
	compared := false
	for n := 2; ; n++ {
		var since []time.Duration
		for _, calls := range byCaller {
			if len(calls) > n {
				since = append(since, calls[n].Sub(calls[0]))
			}
		}
		if len(since) < 2 {
			break // those who wait inside their calls have nothing to be in step with
		}
		compared, spread = true, max(spread, slices.Max(since)-slices.Min(since))
	}
	if compared && spread < 5*time.Millisecond {
		s.Errorf("all later attempts of %d callers lie within %v: no jitter", len(byCaller), spread)
	}
}
