package adsumkit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/kit/sd"

	"github.com/adsum-go/adsum"
)

var _ sd.Instancer = (*Instancer)(nil)

// firstAnswer is how long NewInstancer waits for the registry.
const firstAnswer = 5 * time.Second

// Instancer is go-kit's sd.Instancer on a Directory: its events carry the
// addresses of the instances that calls may go to.
//
// When the registry goes away, observers get one event with the error, and
// what they were told before still holds; one that registers then is told the
// last known good. Once the registry is back, they get the full set again.
//
// All methods are safe for concurrent use.
type Instancer struct {
	view      *adsum.View
	protocols []string
	tags      []string
	text      func(*adsum.Instance) string
	wait      time.Duration

	mu        sync.Mutex
	observers map[chan<- sd.Event]*observer
	stopped   bool
}

// InstancerOption adjusts [NewInstancer].
type InstancerOption func(*Instancer)

// WithTags keeps only instances that carry all of the tags.
func WithTags(tags ...string) InstancerOption {
	return func(i *Instancer) { i.tags = append(i.tags, tags...) }
}

// WithProtocols chooses the address of each instance: that of the first of
// these protocols ("grpc", "http") for which it names one, else its general
// address.
func WithProtocols(protocols ...string) InstancerOption {
	return func(i *Instancer) { i.protocols = protocols }
}

// WithText sets the string that stands for an instance in events and is given
// to factories; its address if not given. For a factory that expects a URL:
//
//	adsumkit.WithText(func(in *adsum.Instance) string { return "http://" + in.Addr })
func WithText(text func(*adsum.Instance) string) InstancerOption {
	return func(i *Instancer) { i.text = text }
}

// WithFirstAnswer sets how long NewInstancer waits for the first answer, 5
// seconds if not given; not at all if zero.
func WithFirstAnswer(limit time.Duration) InstancerOption {
	return func(i *Instancer) { i.wait = limit }
}

// NewInstancer watches a service of the directory. As go-kit's instancers do,
// it blocks for the first answer, so that a program may call at once; if none
// comes in time, it goes on without, and events follow. The error is only for
// a name that is not valid, or a directory that watches no more services.
//
// Stop it when done; the directory stays open.
func NewInstancer(dir *adsum.Directory, service string, opts ...InstancerOption) (*Instancer, error) {
	view, err := dir.Open(service)
	if err != nil {
		return nil, err
	}
	i := &Instancer{view: view, wait: firstAnswer, observers: map[chan<- sd.Event]*observer{}}
	for _, opt := range opts {
		opt(i)
	}
	if i.text == nil {
		i.text = func(in *adsum.Instance) string {
			addr, _ := in.Address(i.protocols...)
			return addr
		}
	}
	if i.wait > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), i.wait)
		defer cancel()
		_ = i.view.Ready(ctx) // observers are told, by an event
	}
	return i, nil
}

// Snapshot returns what is known now, of the instances with the tags asked
// for. It is never nil.
func (i *Instancer) Snapshot() *adsum.Snapshot {
	s := i.view.Snapshot()
	if len(i.tags) == 0 {
		return s
	}
	tagged := *s
	tagged.Instances = nil
	for _, in := range s.Instances {
		if i.hasTags(in) {
			tagged.Instances = append(tagged.Instances, in)
		}
	}
	return &tagged
}

func (i *Instancer) hasTags(in *adsum.Instance) bool {
	for _, tag := range i.tags {
		if !in.HasTag(tag) {
			return false
		}
	}
	return true
}

// Ready waits until something is known of the service or ctx ends.
func (i *Instancer) Ready(ctx context.Context) error { return i.view.Ready(ctx) }

// Register sends the channel the full set, or the error that there is none
// yet, and every later change. It blocks until that first event is taken; the
// later ones come from a goroutine of the channel's own, and a slow reader
// gets several changes as one and keeps nobody else waiting.
func (i *Instancer) Register(ch chan<- sd.Event) {
	i.mu.Lock()
	if i.stopped || i.observers[ch] != nil {
		i.mu.Unlock()
		return
	}
	o := &observer{instancer: i, ch: ch, stop: make(chan struct{}), done: make(chan struct{})}
	i.observers[ch] = o
	i.mu.Unlock()
	if event, ok := o.next(); ok {
		o.send(event)
	}
	go o.run()
}

// Deregister ends what Register began. Once it returned, nothing is sent any
// more and the channel may be closed.
func (i *Instancer) Deregister(ch chan<- sd.Event) {
	i.mu.Lock()
	o := i.observers[ch]
	delete(i.observers, ch)
	i.mu.Unlock()
	if o != nil {
		close(o.stop)
		<-o.done
	}
}

// Stop ends all events and waits for that. A second call does nothing.
func (i *Instancer) Stop() {
	i.mu.Lock()
	observers := i.observers
	i.observers = nil
	i.stopped = true
	i.mu.Unlock()
	for _, o := range observers {
		close(o.stop)
		<-o.done
	}
	i.view.Close()
}

// observer is one registered channel and what it was told.
type observer struct {
	instancer *Instancer
	ch        chan<- sd.Event
	stop      chan struct{} // closed to end it
	done      chan struct{} // closed when it ended

	told   bool     // a set was sent
	set    []string // that set
	failed bool     // the last event was an error
}

func (o *observer) run() {
	defer close(o.done)
	for {
		changed := o.instancer.view.Changed()
		for event, ok := o.next(); ok; event, ok = o.next() {
			if !o.send(event) {
				return
			}
		}
		select {
		case <-changed:
		case <-o.stop:
			return
		}
	}
}

// send reports false when the observer was ended instead.
func (o *observer) send(event sd.Event) bool {
	select {
	case o.ch <- event:
		return true
	case <-o.stop:
		return false
	}
}

// next returns what the observer has to be told next, if anything: the set,
// then that the registry no longer confirms it.
func (o *observer) next() (sd.Event, bool) {
	s := o.instancer.Snapshot()
	set := o.instancer.strings(s)
	switch {
	case !s.Known() && !o.failed:
		o.failed = true
		return sd.Event{Err: errors.Join(fmt.Errorf("service %q: %w", s.Service, adsum.ErrNoSnapshot), s.Err)}, true
	case !s.Known():
		return sd.Event{}, false
	case !o.told, !slices.Equal(set, o.set), o.failed && !s.Stale():
		o.told, o.set, o.failed = true, set, false
		return sd.Event{Instances: slices.Clone(set)}, true // it may be modified there
	case s.Stale() && !o.failed:
		o.failed = true
		return sd.Event{Err: errors.Join(fmt.Errorf("service %q: not confirmed by the registry since %s", s.Service, s.StaleSince.Format(time.RFC3339)), s.Err)}, true
	}
	return sd.Event{}, false
}

// strings lists those that calls may go to, sorted, as go-kit does.
func (i *Instancer) strings(s *adsum.Snapshot) []string {
	set := make([]string, 0, len(s.Instances))
	for _, in := range s.Instances {
		if in.Status.Callable() {
			set = append(set, i.text(in))
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}
