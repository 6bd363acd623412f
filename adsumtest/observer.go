package adsumtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

// observer watches a service through a driver, without supervision, and keeps
// every answer.
type observer struct {
	scene    *scene
	cancel   context.CancelFunc
	done     chan struct{}
	mayBreak bool // a fault of the registry may end the watch with an error

	mu       sync.Mutex
	answers  []adsum.Listing
	answered chan struct{} // closed and replaced with every answer
	err      error
}

// observe starts a watch. When the case ends it must end by its context, and
// without an error.
func (s *scene) observe(registry adsum.Registry, service string) *observer {
	s.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o := &observer{scene: s, cancel: cancel, done: make(chan struct{}), answered: make(chan struct{})}
	go func() {
		defer close(o.done)
		err := registry.Watch(ctx, service, o.receive)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.err = err
	}()
	s.Cleanup(o.end)
	return o
}

func (o *observer) receive(l adsum.Listing) {
	l.Instances = slices.Clone(l.Instances)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers = append(o.answers, l)
	close(o.answered)
	o.answered = make(chan struct{})
}

func (o *observer) end() {
	o.cancel()
	select {
	case <-o.done:
	case <-time.After(o.scene.Patience):
		o.scene.Fatal("Watch does not return when its context ends")
	}
	if o.err != nil && !o.mayBreak {
		o.scene.Errorf("Watch ended with %v, want nil when its context ends", o.err)
	}
}

// all returns the answers so far.
func (o *observer) all() []adsum.Listing {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.answers)
}

// latest returns the last answer so far, of which there is one.
func (o *observer) latest() adsum.Listing {
	all := o.all()
	return all[len(all)-1]
}

// first waits for the first answer.
func (o *observer) first() adsum.Listing {
	o.scene.Helper()
	o.see("a first answer", o.scene.Patience, func(adsum.Listing) bool { return true })
	return o.all()[0]
}

// see waits for an answer that satisfies the condition, from the latest on,
// and returns it.
func (o *observer) see(what string, bound time.Duration, condition func(adsum.Listing) bool) adsum.Listing {
	o.scene.Helper()
	deadline := time.NewTimer(bound)
	defer deadline.Stop()
	for {
		o.mu.Lock()
		answered := o.answered
		var latest adsum.Listing
		known := len(o.answers) > 0
		if known {
			latest = o.answers[len(o.answers)-1]
		}
		o.mu.Unlock()
		if known && condition(latest) {
			return latest
		}
		select {
		case <-answered:
		case <-o.done:
			o.scene.Fatalf("the watch ended with %v while waiting for %s", o.err, what)
		case <-deadline.C:
			o.scene.Fatalf("waited %v for %s; the last of %d answers: %s", bound, what, len(o.all()), list(latest.Instances))
		}
	}
}

// view is a supervised view of a service.
type view struct {
	*adsum.View
	scene *scene
}

// directory opens a directory on a registry.
func (s *scene) directory(registry adsum.Registry) *adsum.Directory {
	dir := adsum.NewDirectory(registry, adsum.WithLogger(s.log))
	s.Cleanup(func() {
		if err := dir.Close(); err != nil {
			s.Errorf("close the directory: %v", err)
		}
	})
	return dir
}

// view opens the view of the case's service, without waiting for an answer.
func (s *scene) view(registry adsum.Registry) *view {
	s.Helper()
	return s.look(s.directory(registry), s.service)
}

// look opens the view of a service.
func (s *scene) look(dir *adsum.Directory, service string) *view {
	s.Helper()
	v, err := dir.Open(service)
	s.must(err)
	s.Cleanup(v.Close)
	return &view{v, s}
}

// see waits for a snapshot that satisfies the condition. It returns how long
// that took.
func (v *view) see(what string, bound time.Duration, condition func(*adsum.Snapshot) bool) time.Duration {
	v.scene.Helper()
	start := time.Now()
	if !v.meets(bound, condition) {
		v.scene.Fatalf("waited %v for %s; %s", bound, what, describe(v.Snapshot()))
	}
	return time.Since(start)
}

// hold fails if a snapshot of the next d does not satisfy the condition.
func (v *view) hold(what string, d time.Duration, condition func(*adsum.Snapshot) bool) {
	v.scene.Helper()
	if v.meets(d, func(s *adsum.Snapshot) bool { return !condition(s) }) {
		v.scene.Fatalf("%s: not so any more; %s", what, describe(v.Snapshot()))
	}
}

// meets waits up to bound for a snapshot that satisfies the condition.
func (v *view) meets(bound time.Duration, condition func(*adsum.Snapshot) bool) bool {
	deadline := time.NewTimer(bound)
	defer deadline.Stop()
	for {
		changed := v.Changed()
		if condition(v.Snapshot()) {
			return true
		}
		select {
		case <-changed:
		case <-deadline.C:
			return condition(v.Snapshot())
		}
	}
}

// changes collects the changes of a view until the case ends, with copies of
// the instances as they were then.
type changes struct {
	mu     sync.Mutex
	all    []adsum.Change
	copies [][]adsum.Instance
}

// collect begins with what is there now. Once something is known of the
// service, it returns when it has that.
func (v *view) collect() *changes {
	c := &changes{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for change := range v.Changes(ctx) {
			c.add(change)
		}
	}()
	v.scene.Cleanup(func() {
		cancel()
		<-done
	})
	if v.Snapshot().Known() {
		v.scene.eventually("the first change", v.scene.Patience, func() bool { return len(c.soFar()) > 0 })
	}
	return c
}

func (c *changes) add(change adsum.Change) {
	copies := make([]adsum.Instance, len(change.Snapshot.Instances))
	for i, in := range change.Snapshot.Instances {
		copies[i] = in.Clone()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all, c.copies = append(c.all, change), append(c.copies, copies)
}

// copied returns the instances of the n-th change as they were when it came.
func (c *changes) copied(n int) []adsum.Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.copies[n]
}

func (c *changes) soFar() []adsum.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// Conditions on snapshots.

func shows(ids ...string) func(*adsum.Snapshot) bool {
	return func(s *adsum.Snapshot) bool { return s.Known() && has(s.Instances, ids...) }
}

func lacks(id string) func(*adsum.Snapshot) bool {
	return func(s *adsum.Snapshot) bool { return s.Known() && !has(s.Instances, id) }
}

func isStale(s *adsum.Snapshot) bool   { return s.Stale() }
func isCurrent(s *adsum.Snapshot) bool { return s.Known() && !s.Stale() }

// Conditions on answers of a driver.

func lists(ids ...string) func(adsum.Listing) bool {
	return func(l adsum.Listing) bool { return has(l.Instances, ids...) }
}

func find(instances []*adsum.Instance, id string) *adsum.Instance {
	for _, in := range instances {
		if in.ID == id {
			return in
		}
	}
	return nil
}

func has(instances []*adsum.Instance, ids ...string) bool {
	for _, id := range ids {
		if find(instances, id) == nil {
			return false
		}
	}
	return true
}

func list(instances []*adsum.Instance) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d instances", len(instances))
	for i, in := range instances {
		if i == 10 {
			b.WriteString(" …")
			break
		}
		fmt.Fprintf(&b, " %s=%s/%s", in.ID, in.Addr, in.Status)
	}
	return b.String()
}

func describe(s *adsum.Snapshot) string {
	return fmt.Sprintf("the snapshot has generation %d, stale %t, error %v, %s", s.Generation, s.Stale(), s.Err, list(s.Instances))
}
