package adsumtest

import (
	"errors"
	"time"

	"github.com/adsum-go/adsum"
)

// The cases about owners that crash, records that vanish, and registries that
// lose their memory.

// crashable publishes an instance by an owner that can be killed.
func (s *scene) crashable(in adsum.Instance) (crash func()) {
	s.Helper()
	ttl := s.caps.ClampTTL(s.TTL)
	if s.Crash != nil {
		return s.Crash(s.T, s.base, in, ttl)
	}
	if s.URL == nil {
		s.Fatal("the harness has neither Crash nor URL")
	}
	return StartPublisher(s.T, s.URL(s.base, s.Endpoints...), in, ttl).Kill
}

func goneAfterCrash(s *scene) {
	in := s.instance(1)
	crash := s.crashable(in)
	v := s.view(s.client())
	v.see("the instance", s.propagation(), shows(in.ID))
	v.hold("an owner that lives keeps its record", s.detection(), shows(in.ID))
	crash()
	s.measured("crash→gone", v.see("it gone", s.detection()+s.propagation(), lacks(in.ID)))
}

func restartOutlivesOldLease(s *scene) {
	in := s.instance(1)
	crash := s.crashable(in)
	o := s.observe(s.client(), s.service)
	o.see("the instance", s.propagation(), lists(in.ID))
	crash()
	in.Version = "restarted"
	start := time.Now()
	reg := s.register(s.client(), in, s.TTL)
	isNew := func(snapshot *adsum.Snapshot) bool {
		got, ok := snapshot.Get(in.ID)
		return ok && got.Version == "restarted" && len(snapshot.Instances) == 1
	}
	v := s.view(s.client())
	v.see("the new one alone", s.propagation(), isNew)
	s.measured("restart→visible", time.Since(start))
	v.hold("the new one outlives the lease of the old", s.detection(), isNew)
	if state := reg.State(); state.Lost > 0 {
		s.Errorf("the new registration was lost %d times, last by %v", state.Lost, state.LastError)
	}
	for _, answer := range o.all() {
		if len(answer.Instances) > 1 {
			s.Errorf("at some moment there were %s", list(answer.Instances))
		}
	}
}

func lostAndBack(state adsum.RegistrationState) bool { return state.Registered && state.Lost > 0 }

func killedLeaseIsRegisteredAgain(s *scene) {
	in := s.instance(1)
	reg := s.register(s.client(), in, s.TTL)
	v := s.view(s.client())
	v.see("the instance", s.propagation(), shows(in.ID))
	s.must(s.ExpireLease(s.bounded(), s.base, s.service, in.ID))
	s.measured("lease killed→registered", s.await(reg, "lost and registered again", lostAndBack))
	v.see("it again", s.propagation(), shows(in.ID))
	v.hold("it stays", s.propagation(), shows(in.ID))
}

// deleteRecord removes a record past its owner.
func (s *scene) deleteRecord(id string) {
	s.Helper()
	if s.DeleteRecord != nil {
		s.must(s.DeleteRecord(s.bounded(), s.base, s.service, id))
		return
	}
	remover, ok := s.client().(adsum.Remover)
	if !ok {
		s.Fatal("the driver is no adsum.Remover and the harness has no DeleteRecord: provide one, or say in NotApplicable why this case does not apply")
	}
	s.must(remover.Remove(s.bounded(), s.service, id))
}

// removerMissesNothing checks that a Remover says when there is nothing to
// remove.
func (s *scene) removerMissesNothing() {
	s.Helper()
	remover, ok := s.client().(adsum.Remover)
	if !ok {
		return
	}
	if err := remover.Remove(s.bounded(), s.service, "nobody"); !errors.Is(err, adsum.ErrNotFound) {
		s.Errorf("removing a record that is not there: %v, want ErrNotFound", err)
	}
}

func deletedRecordIsRestored(s *scene) {
	in := s.instance(1)
	reg := s.register(s.client(), in, s.TTL)
	v := s.view(s.client())
	v.see("the instance", s.propagation(), shows(in.ID))
	seen := v.collect()
	start := time.Now()
	s.deleteRecord(in.ID)
	// Either the registration finds the loss and registers again, or the
	// registry restores the record by itself and watchers see it come back.
	s.eventually("the record to be restored", s.Patience, func() bool {
		noticed := reg.State().Lost > 0
		for _, change := range seen.soFar() {
			noticed = noticed || len(change.Removed) > 0
		}
		return noticed && reg.State().Registered && shows(in.ID)(v.Snapshot())
	})
	s.measured("deleted→restored", time.Since(start))
	s.observe(s.client(), s.service).see("it again", s.propagation(), lists(in.ID))
	s.removerMissesNothing()
}

func wipedRegistryIsFilledAndHeard(s *scene) {
	s.Cleanup(func() { s.must(s.Server.Start()) })
	registry := s.client()
	one, two := s.instance(1), s.instance(2)
	first := s.register(registry, one, s.TTL)
	second := s.register(registry, two, s.TTL)
	v := s.view(s.client())
	v.see("both", s.propagation(), shows(one.ID, two.ID))
	seen := v.collect()
	s.must(s.Server.Wipe())
	start := time.Now()
	s.await(first, "registered again", lostAndBack)
	s.await(second, "registered again", lostAndBack)
	s.observe(s.client(), s.service).see("both again", s.propagation(), lists(one.ID, two.ID))
	s.measured("wiped→registered", time.Since(start))
	s.hearsLaterChanges(v)
	s.measured("wiped→heard", time.Since(start))
	noneRemoved(s, seen, one.ID, two.ID)
}

// hearsLaterChanges checks that a watch from before a fault sees an instance
// come and go.
func (s *scene) hearsLaterChanges(v *view) {
	s.Helper()
	later := s.instance(50)
	r := s.publish(later)
	v.see("a later registration", s.Patience, shows(later.ID))
	r.withdraw()
	v.see("a later withdrawal", s.Patience, lacks(later.ID))
}

// noneRemoved checks that no snapshot that was delivered lacked these.
func noneRemoved(s *scene, seen *changes, ids ...string) {
	s.Helper()
	for _, change := range seen.soFar() {
		if !has(change.Snapshot.Instances, ids...) {
			s.Errorf("callers saw at some moment: %s", describe(change.Snapshot))
		}
	}
}

func goingBackIsFollowed(s *scene) {
	s.ttl = s.TTL
	stays, later := s.instance(1), s.instance(2)
	first := s.publish(stays)
	v := s.view(s.client())
	v.see("the first", s.propagation(), shows(stays.ID))
	restore, err := s.Backup()
	s.must(err)
	r := s.publish(later)
	first.update(func(in *adsum.Instance) { in.Version = "newer" })
	v.see("both", s.propagation(), shows(stays.ID, later.ID))
	seen := v.collect()
	s.must(restore())
	start := time.Now()
	if r.reg != nil {
		s.await(r.reg, "registered again", lostAndBack)
		s.observe(s.client(), s.service).see("both again, as they were published last", s.Patience, func(l adsum.Listing) bool {
			return lists(stays.ID, later.ID)(l) && find(l.Instances, stays.ID).Version == "newer"
		})
		s.measured("restored→registered", time.Since(start))
	}
	s.hearsLaterChanges(v)
	s.measured("restored→heard", time.Since(start))
	if r.reg != nil {
		noneRemoved(s, seen, stays.ID, later.ID)
	}
}

func compactionLosesNoDelete(s *scene) {
	gone, changed, added := s.instance(1), s.instance(2), s.instance(3)
	leaves, changes := s.publish(gone), s.publish(changed)
	registry := s.cuttable()
	v := s.view(registry.Registry)
	v.see("both", s.propagation(), shows(gone.ID, changed.ID))
	registry.Cut()
	leaves.withdraw()
	changes.update(func(in *adsum.Instance) { in.Version = "while away" })
	s.publish(added)
	s.must(s.Compact(s.bounded()))
	registry.Heal()
	s.measured("healed→caught up", v.see("what happened meanwhile", s.Patience, caughtUp(gone.ID, changed.ID, added.ID)))
	s.hearsLaterChanges(v)
}

func caughtUp(gone, changed, added string) func(*adsum.Snapshot) bool {
	return func(snapshot *adsum.Snapshot) bool {
		in, ok := snapshot.Get(changed)
		return ok && in.Version == "while away" && shows(added)(snapshot) && lacks(gone)(snapshot)
	}
}

func youngerOwnerStays(s *scene) {
	in := s.instance(1)
	older := s.register(s.client(), in, s.TTL)
	in.Addr = "10.99.0.2:8080"
	younger := s.register(s.client(), in, s.TTL)
	s.measured("taken over→superseded", s.await(older, "superseded", func(state adsum.RegistrationState) bool { return state.Superseded }))
	select {
	case <-older.Done():
	case <-time.After(s.Patience):
		s.Fatal("a superseded registration does not end")
	}
	isYounger := func(snapshot *adsum.Snapshot) bool {
		got, ok := snapshot.Get(in.ID)
		return ok && got.Addr == in.Addr && len(snapshot.Instances) == 1
	}
	v := s.view(s.client())
	v.see("the younger alone", s.propagation(), isYounger)
	s.must(older.Close(s.bounded()))
	v.hold("the record of the younger stays when the older closes", s.detection(), isYounger)
	if state := younger.State(); !state.Registered || state.Lost > 0 || state.Superseded {
		s.Errorf("the younger owner is in state %+v", state)
	}
}
