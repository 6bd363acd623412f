package adsumtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/adsum-go/adsum"
)

// The cases about publishing, updating and withdrawing a record.

func visibleWithinPropagation(s *scene) {
	o := s.observe(s.client(), s.service)
	o.first()
	in := s.instance(1)
	registry := s.client()
	start := time.Now()
	s.lease(registry, in, newOwner())
	o.see("what was registered", s.propagation(), lists(in.ID))
	s.measured("register→visible", time.Since(start))
}

// unusual are instances that are valid and that registries have trouble with.
func unusual(s *scene) map[string]adsum.Instance {
	instances := map[string]adsum.Instance{}
	add := func(name string, change func(*adsum.Instance)) {
		in := s.instance(len(instances))
		in.ID = name
		change(&in)
		instances[name] = in.WithDefaults()
	}
	add("ipv6", func(in *adsum.Instance) { in.Addr = "[2001:db8::17]:50051" })
	add("id-is-address", func(in *adsum.Instance) { in.ID, in.Addr = "[2001:db8::18]:50051", "[2001:db8::18]:50051" })
	add("everything", func(in *adsum.Instance) {
		in.Endpoints = map[string]string{"grpc": "10.1.2.3:50051", "https": "[::1]:8443"}
		in.Weight, in.Zone, in.Version = 65535, "eu-west-1b", "v1.2.3-rc.1+build.5"
		in.Tags = []string{"canary", "blue/green", "a=b,c"}
	})
	add("utf-8", func(in *adsum.Instance) {
		in.Metadata = map[string]string{"título": "21天精通php", "emoji": "🛰️ \"quoted\" \\ <b>&amp;", "a.dotted/key": "x", "empty": ""}
	})
	add("large", func(in *adsum.Instance) {
		in.Metadata = map[string]string{}
		for n := range 60 {
			in.Metadata[fmt.Sprintf("key-%02d", n)] = strings.Repeat("x", 1000)
		}
	})
	add("critical", func(in *adsum.Instance) { in.Status, in.Reason = adsum.Critical, "disk full: 0 B left" })
	add("starting", func(in *adsum.Instance) { in.Status, in.Reason = adsum.Starting, "warming up" })
	add("warning", func(in *adsum.Instance) { in.Status = adsum.Warning })
	return instances
}

func instanceRoundTrips(s *scene) {
	registry := s.client()
	o := s.observe(s.client(), s.service)
	for name, in := range unusual(s) {
		lease, err := registry.Register(s.bounded(), in, adsum.RegisterOptions{TTL: s.caps.ClampTTL(s.longTTL()), Claim: newOwner()})
		if errors.Is(err, adsum.ErrInvalid) {
			s.refusedBeforeIO(in)
			continue
		}
		if err != nil {
			s.Errorf("register %s: %v", name, err)
			continue
		}
		s.Cleanup(func() { _ = lease.Close(s.bounded()) })
		got := find(o.see(name, s.propagation(), lists(in.ID)).Instances, in.ID)
		if !got.Equal(&in) {
			s.Errorf("%s comes back as %+v, want %+v", name, *got, in)
		}
	}
}

// refusedBeforeIO checks that a client which cannot reach the registry
// refuses the instance all the same.
func (s *scene) refusedBeforeIO(in adsum.Instance) {
	s.Helper()
	c := s.connect(s.T, s.base)
	s.closeAtEnd(c.Registry)
	if c.Cut != nil {
		c.Cut()
	}
	reg, err := adsum.Register(c.Registry, in, adsum.WithLogger(s.log))
	if err == nil {
		_ = reg.Close(s.bounded())
	}
	var invalid *adsum.InvalidError
	if !errors.As(err, &invalid) || invalid.Field == "" || invalid.Problem == "" {
		s.Errorf("register %s without a connection: %v, want an InvalidError that names the field; does the driver implement adsum.Validator?", &in, err)
	}
}

func badInputFailsBeforeIO(s *scene) {
	for _, spoil := range []func(*adsum.Instance){
		func(in *adsum.Instance) { in.Service = "" },
		func(in *adsum.Instance) { in.Service = "a/b" },
		func(in *adsum.Instance) { in.Service = "a\nb" },
		func(in *adsum.Instance) { in.ID = "../x" },
		func(in *adsum.Instance) { in.Addr = "" },
		func(in *adsum.Instance) { in.Addr = "0.0.0.0:8080" },
		func(in *adsum.Instance) { in.Addr = "10.0.0.1:0" },
		func(in *adsum.Instance) { in.Addr = "10.0.0.1" },
		func(in *adsum.Instance) { in.Metadata = map[string]string{"k": "\x00"} },
	} {
		in := s.instance(1)
		spoil(&in)
		s.refusedBeforeIO(in)
	}
	dir := s.directory(s.client())
	if _, err := dir.Open("a/b"); !errors.Is(err, adsum.ErrInvalid) {
		s.Errorf("opening a service named a/b: %v, want ErrInvalid", err)
	}
}

func sameIDTwiceIsOne(s *scene) {
	registry := s.client()
	in := s.instance(1)
	older := s.lease(registry, in, newOwner())
	in.Addr, in.Version = "10.99.0.1:8080", "two"
	s.lease(registry, in, older.Claim())
	o := s.observe(s.client(), s.service)
	latest := o.see("the latest value", s.propagation(), func(l adsum.Listing) bool {
		got := find(l.Instances, in.ID)
		return got != nil && got.Version == "two"
	})
	if len(latest.Instances) != 1 || latest.Instances[0].Addr != in.Addr {
		s.Errorf("listed are %s", list(latest.Instances))
	}
}

func updateLeavesNoGap(s *scene) {
	in := s.instance(1)
	lease := s.lease(s.client(), in, newOwner())
	o := s.observe(s.client(), s.service)
	o.see("the instance", s.propagation(), lists(in.ID))
	before := len(o.all())
	const updates = 20
	start := time.Now()
	for n := 1; n <= updates; n++ {
		in.Version, in.Weight = fmt.Sprint(n), n
		s.must(lease.Update(s.bounded(), in.WithDefaults()))
	}
	s.measured("update", time.Since(start)/updates)
	o.see("the last update", s.propagation(), func(l adsum.Listing) bool {
		got := find(l.Instances, in.ID)
		return got != nil && got.Version == fmt.Sprint(updates)
	})
	for _, answer := range o.all()[before:] {
		if len(answer.Instances) != 1 {
			s.Fatalf("in the middle of updates there were %s", list(answer.Instances))
		}
	}
}

// statusComesAndGoes takes one of two instances out of service by a status
// and brings it back.
func statusComesAndGoes(s *scene, status adsum.Status, reason string) {
	in := s.instance(1)
	s.publish(s.instance(2))
	reg := s.register(s.client(), in, s.longTTL())
	v := s.view(s.client())
	callable := func(yes bool) func(*adsum.Snapshot) bool {
		return func(snapshot *adsum.Snapshot) bool {
			return has(snapshot.Select("", true), in.ID) == yes && has(snapshot.Select("", true), s.instance(2).ID)
		}
	}
	v.see("it callable", s.propagation(), callable(true))
	start := time.Now()
	s.must(reg.SetStatus(status, reason))
	v.see("it not callable", s.propagation(), callable(false))
	s.measured(string(status)+"→hidden", time.Since(start))
	got, ok := v.Snapshot().Get(in.ID)
	if !ok || got.Status != status || got.Reason != reason {
		s.Errorf("shown as %+v, want %s because of %q", got, status, reason)
	}
	start = time.Now()
	s.must(reg.SetStatus(adsum.Passing, ""))
	v.see("it callable again", s.propagation(), callable(true))
	s.measured("passing→callable", time.Since(start))
}

func failingHidesPassingRestores(s *scene) {
	statusComesAndGoes(s, adsum.Critical, "database unreachable")
}

func drainingThenPassingRestores(s *scene) {
	statusComesAndGoes(s, adsum.Draining, "shutting down")
	if overrider, ok := s.client().(adsum.Overrider); ok {
		operatorDrainsAndUndoes(s, overrider)
	}
}

// operatorDrainsAndUndoes is a drain by an operator, whose word wins over the
// instance's own, outlives its registration, and stays until it is undone.
func operatorDrainsAndUndoes(s *scene, operator adsum.Overrider) {
	in := s.instance(3)
	reg := s.register(s.client(), in, s.longTTL())
	v := s.view(s.client())
	v.see("the instance", s.propagation(), shows(in.ID))
	word := adsum.Override{Status: adsum.Draining, Weight: 7, Reason: "maintenance"}
	drained := func(snapshot *adsum.Snapshot) bool {
		got, ok := snapshot.Get(in.ID)
		return ok && got.Status == adsum.Draining && got.Reported == adsum.Passing && got.Reason == word.Reason && got.Weight == word.Weight
	}
	s.must(operator.Override(s.bounded(), s.service, in.ID, word))
	v.see("the operator's drain", s.propagation(), drained)
	s.must(reg.Close(s.bounded()))
	v.see("it gone", s.propagation(), lacks(in.ID))
	if all, err := operator.Overrides(s.bounded(), s.service); err != nil || all[in.ID] != word {
		s.Errorf("while the instance is away the overrides in force are %v, %v", all, err)
	}
	s.register(s.client(), in, s.longTTL())
	v.see("it drained from the start", s.propagation(), drained)
	s.must(operator.Override(s.bounded(), s.service, in.ID, adsum.Override{}))
	v.see("the drain undone", s.propagation(), func(snapshot *adsum.Snapshot) bool {
		got, ok := snapshot.Get(in.ID)
		return ok && got.Status == adsum.Passing && got.Reported == "" && got.Weight == adsum.DefaultWeight
	})
	if err := operator.Override(s.bounded(), s.service, in.ID, adsum.Override{Status: adsum.Passing}); !errors.Is(err, adsum.ErrInvalid) {
		s.Errorf("imposing health: %v, want ErrInvalid", err)
	}
}

func closeRemovesPromptly(s *scene) {
	in := s.instance(1)
	lease := s.lease(s.client(), in, newOwner())
	o := s.observe(s.client(), s.service)
	o.see("the instance", s.propagation(), lists(in.ID))
	start := time.Now()
	s.must(lease.Close(s.bounded()))
	o.see("nothing", s.propagation(), func(l adsum.Listing) bool { return len(l.Instances) == 0 })
	s.measured("close→gone", time.Since(start))
	if err := lease.Close(s.bounded()); err != nil {
		s.Errorf("a second close: %v", err)
	}
	select {
	case <-lease.Lost():
		s.Errorf("a lease that was closed counts as lost: %v", lease.Err())
	default:
	}
	reg := s.register(s.client(), in, s.longTTL())
	s.must(reg.Close(s.bounded()))
	if err := reg.Close(s.bounded()); err != nil {
		s.Errorf("a second close of a registration: %v", err)
	}
}

func closeAfterContextEnded(s *scene) {
	in := s.instance(1)
	registry := s.client()
	ctx, cancel := context.WithCancel(context.Background())
	lease, err := registry.Register(ctx, in.WithDefaults(), adsum.RegisterOptions{TTL: s.caps.ClampTTL(s.TTL), Claim: newOwner()})
	s.must(err)
	cancel()
	v := s.view(s.client())
	v.see("the instance", s.propagation(), shows(in.ID))
	v.hold("a lease outlives the context of Register", s.detection(), shows(in.ID))
	s.must(lease.Close(s.bounded()))
	v.see("it gone", s.propagation(), lacks(in.ID))

	reg := s.register(registry, in, s.longTTL())
	v.see("it again", s.propagation(), shows(in.ID))
	if err := reg.Close(ctx); err != nil {
		s.Errorf("close with a context that has ended: %v", err)
	}
	v.see("it gone again", s.propagation(), lacks(in.ID))
}
