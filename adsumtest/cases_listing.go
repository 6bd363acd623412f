package adsumtest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/adsum-go/adsum"
)

// The cases about what a watch shows.

func firstSnapshotIsComplete(s *scene) {
	var ids []string
	for n := range 20 {
		in := s.instance(n)
		s.publish(in)
		ids = append(ids, in.ID)
	}
	if s.caps.Register {
		s.neighbours()
	}
	s.observe(s.client(), s.service).see("all that was published", s.propagation(), lists(ids...))
	// Another client, of a registry that is known to have them all by now.
	first := s.observe(s.client(), s.service).first()
	if len(first.Instances) != len(ids) || !has(first.Instances, ids...) {
		s.Fatalf("the first answer has %s, want all %d", list(first.Instances), len(ids))
	}
	for _, in := range first.Instances {
		if in.Service != s.service {
			s.Fatalf("%v is listed under service %q", in, s.service)
		}
	}
}

// neighbours registers services that a careless lookup would list too.
func (s *scene) neighbours() {
	s.Helper()
	names := []string{s.service + "store", s.service + ".store", "a-" + s.service}
	if !s.caps.FoldsCase {
		names = append(names, strings.ToUpper(s.service))
	}
	for n, name := range names {
		in := s.instance(90 + n)
		in.Service = name
		s.lease(s.client(), in, newOwner())
	}
}

func unknownServiceIsEmptyAndWatched(s *scene) {
	o := s.observe(s.client(), s.service)
	if first := o.first(); len(first.Instances) != 0 {
		s.Fatalf("a service nobody registered has %s", list(first.Instances))
	}
	s.publish(s.instance(1))
	o.see("the first instance ever", s.propagation(), lists(s.instance(1).ID))
}

func twoIDsAtOneAddressStayTwo(s *scene) {
	one, two := s.instance(1), s.instance(2)
	two.Addr = one.Addr
	first := s.publish(one)
	s.publish(two)
	o := s.observe(s.client(), s.service)
	o.see("both", s.propagation(), func(l adsum.Listing) bool {
		return len(l.Instances) == 2 && lists(one.ID, two.ID)(l)
	})
	first.withdraw()
	o.see("the second alone", s.propagation(), func(l adsum.Listing) bool {
		return len(l.Instances) == 1 && lists(two.ID)(l)
	})
}

// burstSize is how many changes come while the consumer looks away.
const burstSize = 1000

func burstWithSlowConsumer(s *scene) {
	records := make([]*record, 10)
	for n := range records {
		records[n] = s.publish(s.instance(n))
	}
	v := s.view(s.client())
	next, stop := iter.Pull(v.Changes(s.bounded()))
	defer stop()
	if _, ok := next(); !ok {
		s.Fatal("no first change")
	}
	version := func(n int) string { return fmt.Sprintf("v%d", n) }
	for n := 1; n <= burstSize/len(records); n++ {
		for _, r := range records {
			r.update(func(in *adsum.Instance) { in.Version = version(n) })
		}
	}
	isFinal := func(snapshot *adsum.Snapshot) bool {
		for _, in := range snapshot.Instances {
			if in.Version != version(burstSize/len(records)) {
				return false
			}
		}
		return len(snapshot.Instances) == len(records)
	}
	v.see("the state after the burst", s.propagation(), isFinal)
	for pulls := 1; ; pulls++ {
		change, ok := next()
		if !ok || pulls > 3 {
			s.Fatalf("after %d changes and a burst of %d the consumer is still behind: changes pile up", pulls, burstSize)
		}
		if isFinal(change.Snapshot) {
			return
		}
	}
}

func idleWriteEmitsNothing(s *scene) {
	registry := s.client()
	quiet, other := s.instance(1), s.instance(2)
	lease := s.lease(registry, quiet, newOwner())
	s.lease(registry, other, newOwner())
	watching := s.client()
	o := s.observe(watching, s.service)
	v := s.view(watching)
	v.see("both", s.propagation(), shows(quiet.ID, other.ID))
	before := find(o.see("both", s.propagation(), lists(quiet.ID, other.ID)).Instances, other.ID)
	generation := v.Snapshot().Generation
	seen := v.collect()
	for range 10 {
		s.must(lease.Update(s.bounded(), quiet.WithDefaults()))
	}
	marker := s.instance(3)
	s.lease(registry, marker, newOwner())
	v.see("the marker", s.propagation(), shows(marker.ID))
	if after := v.Snapshot().Generation; after != generation+1 {
		s.Errorf("the generation rose from %d to %d over one change and ten writes of the same", generation, after)
	}
	s.eventually("the change to be delivered", s.propagation(), func() bool { return len(seen.soFar()) >= 2 })
	if all := seen.soFar(); len(all) != 2 { // the first is everything
		s.Errorf("%d changes delivered, want 2", len(all))
	}
	after := find(o.see("the marker", s.propagation(), lists(marker.ID)).Instances, other.ID)
	if before != after {
		s.Error("an instance that did not change is another pointer in the next answer")
	}
}

func snapshotsAreImmutableAndSorted(s *scene) {
	v := s.view(s.client())
	seen := v.collect()
	var records []*record
	for n := 9; n >= 0; n-- {
		records = append(records, s.publish(s.instance(n)))
	}
	for n, r := range records {
		r.update(func(in *adsum.Instance) { in.Metadata = map[string]string{"round": fmt.Sprint(n)} })
	}
	records[0].withdraw()
	last := records[len(records)-1]
	v.see("the last update and the withdrawal", s.propagation(), func(snapshot *adsum.Snapshot) bool {
		in, ok := snapshot.Get(last.in.ID)
		return ok && in.Metadata["round"] != "" && len(snapshot.Instances) == len(records)-1
	})
	generation := uint64(0)
	for n, change := range seen.soFar() {
		snapshot := change.Snapshot
		if snapshot.Generation <= generation {
			s.Errorf("generation %d follows %d", snapshot.Generation, generation)
		}
		generation = snapshot.Generation
		if !slices.IsSortedFunc(snapshot.Instances, func(a, b *adsum.Instance) int { return strings.Compare(a.ID, b.ID) }) {
			s.Errorf("not sorted by id: %s", list(snapshot.Instances))
		}
		copied := seen.copied(n)
		if !slices.EqualFunc(snapshot.Instances, copied, func(in *adsum.Instance, was adsum.Instance) bool { return in.Equal(&was) }) {
			s.Errorf("snapshot %d was modified after it was handed out", generation)
		}
	}
}

func lastOneLeavesAndReturns(s *scene) {
	in := s.instance(1)
	r := s.publish(in)
	v := s.view(s.client())
	v.see("the only one", s.propagation(), shows(in.ID))
	seen := v.collect()
	r.withdraw()
	v.see("an empty service", s.propagation(), lacks(in.ID))
	if snapshot := v.Snapshot(); snapshot.Stale() || len(snapshot.Instances) != 0 {
		s.Errorf("the last one left by its own will, but %s", describe(snapshot))
	}
	var added, removed int
	count := func() {
		added, removed = 0, 0
		for _, change := range seen.soFar() {
			added, removed = added+len(change.Added), removed+len(change.Removed)
		}
	}
	// Who has not seen it leave when it is back sees neither.
	s.eventually("the withdrawal to be delivered", s.propagation(), func() bool { count(); return removed >= 1 })
	s.publish(in)
	v.see("its return", s.propagation(), shows(in.ID))
	s.eventually("the return to be delivered", s.propagation(), func() bool { count(); return added >= 2 })
	if added != 2 || removed != 1 { // added once by the first change, which is everything
		s.Errorf("delivered %d times as added and %d times as removed, want 2 and 1", added, removed)
	}
}

func servicesAreListedOrUnsupported(s *scene) {
	registry := s.client()
	dir := s.directory(registry)
	watcher, ok := registry.(adsum.ServiceWatcher)
	if !ok {
		if _, err := dir.Services(s.bounded()); !errors.Is(err, adsum.ErrUnsupported) {
			s.Fatalf("listing services fails with %v, want ErrUnsupported", err)
		}
		return
	}
	in := s.instance(1)
	r := s.publish(in)
	s.observe(s.client(), s.service).see("the instance", s.propagation(), lists(in.ID))
	names := make(chan []string, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- watcher.WatchServices(ctx, func(all []string) {
			select {
			case names <- slices.Clone(all):
			default:
			}
		})
	}()
	s.Cleanup(cancel)
	wait := func(what string, ok func([]string) bool) {
		s.Helper()
		bound := s.bounded()
		for {
			select {
			case all := <-names:
				if !slices.IsSorted(all) {
					s.Fatalf("the names are not sorted: %q", all)
				}
				if ok(all) {
					return
				}
			case err := <-ended:
				if errors.Is(err, adsum.ErrUnsupported) {
					s.Fatal("the watch of services is unsupported: declare case 32 as not applicable for this URL")
				}
				s.Fatalf("the watch of services ended with %v", err)
			case <-bound.Done():
				s.Fatalf("waited %v for %s", s.Patience, what)
			}
		}
	}
	wait("the service to be named", func(all []string) bool { return slices.Contains(all, s.service) })
	if all, err := dir.Services(s.bounded()); err != nil || !slices.Contains(all, s.service) {
		s.Errorf("Services returns %q, %v", all, err)
	}
	r.withdraw()
	wait("the service to be gone", func(all []string) bool { return !slices.Contains(all, s.service) })
	cancel()
	if err := <-ended; err != nil {
		s.Errorf("WatchServices ended with %v, want nil when its context ends", err)
	}
}

func watchersShareOneStream(s *scene) {
	s.publish(s.instance(1))
	counted := &counted{Registry: s.client()}
	dir := s.directory(counted)
	views := make([]*view, 100)
	for n := range views {
		views[n] = s.look(dir, s.service)
	}
	for _, v := range views {
		v.see("the instance", s.propagation(), shows(s.instance(1).ID))
	}
	if watches := len(counted.watchCalls()); watches != 1 {
		s.Fatalf("%d watchers opened %d streams", len(views), watches)
	}
}

func malformedNeighbourHidesNothing(s *scene) {
	s.publish(s.instance(1))
	v := s.view(s.client())
	v.see("the good one", s.propagation(), shows(s.instance(1).ID))
	s.must(s.Malform(s.bounded(), s.base, s.service))
	v.see("the bad one to be counted", s.propagation(), func(snapshot *adsum.Snapshot) bool { return len(snapshot.Skipped) > 0 })
	if skipped := v.Snapshot().Skipped[0]; skipped.Key == "" || skipped.Err == nil {
		s.Errorf("what was skipped is not named: %+v", skipped)
	}
	s.publish(s.instance(2))
	v.see("both good ones", s.propagation(), shows(s.instance(1).ID, s.instance(2).ID))
	first := s.observe(s.client(), s.service).first()
	if !lists(s.instance(1).ID, s.instance(2).ID)(first) || len(first.Skipped) == 0 {
		s.Errorf("a first answer has %s and skipped %d", list(first.Instances), len(first.Skipped))
	}
}
