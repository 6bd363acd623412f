package adsumtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

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
