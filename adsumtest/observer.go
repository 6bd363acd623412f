package adsumtest

import (
	"context"
	"slices"
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
