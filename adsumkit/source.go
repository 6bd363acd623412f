package adsumkit

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"sync"

	"github.com/go-kit/kit/sd"

	"github.com/adsum-go/adsum"
)

// FromInstancers makes go-kit's instancers, one for each service, into a
// registry that a Directory can watch and nobody can register in: what any of
// go-kit's sd packages finds can then be called by every transport of adsum.
//
// An instance string may be host:port, or a URL, whose scheme names the
// endpoint: http://10.0.0.5:8080 is the "http" endpoint of 10.0.0.5:8080. The
// string itself is kept in the metadata under [MetadataText]; [WithText] hands
// it to a factory that wants it. One that is neither is skipped, and named in
// the snapshot. An error of the instancer breaks the watch, as it should: the
// last known good stays.
//
// Closing the registry stops the instancers.
func FromInstancers(instancers map[string]sd.Instancer) adsum.Registry {
	return &source{instancers: maps.Clone(instancers), closed: make(chan struct{})}
}

// MetadataText is the key under which [FromInstancers] keeps go-kit's own
// string for an instance.
const MetadataText = "gokit.instance"

// source is a registry to be read only.
type source struct {
	instancers map[string]sd.Instancer
	closed     chan struct{}
	closing    sync.Once
}

// Register fails: instancers only read.
func (s *source) Register(context.Context, adsum.Instance, adsum.RegisterOptions) (adsum.Lease, error) {
	return nil, fmt.Errorf("register through a go-kit instancer: %w", adsum.ErrUnsupported)
}

// Watch passes the instancer's events on. A service without an instancer is
// watched in vain.
func (s *source) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	instancer := s.instancers[service]
	if instancer == nil {
		instancer = sd.FixedInstancer{} // nobody, for ever
	}
	events := make(chan sd.Event)
	unsubscribe := subscribe(instancer, events)
	defer unsubscribe()
	known := map[string]*adsum.Instance{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.closed:
			return fmt.Errorf("go-kit instancers: %w", adsum.ErrClosed)
		case event := <-events:
			if event.Err != nil {
				return fmt.Errorf("go-kit instancer of %q: %w", service, event.Err)
			}
			var l adsum.Listing
			l, known = listing(service, event.Instances, known)
			emit(l)
		}
	}
}

// subscribe registers the channel without waiting for its first event, and
// returns what undoes that. An instancer sends while it holds the lock that
// Register and Deregister want, so the channel has to be read meanwhile.
func subscribe(instancer sd.Instancer, events chan sd.Event) (undo func()) {
	registered := make(chan struct{})
	go func() {
		defer close(registered)
		instancer.Register(events)
	}()
	return func() {
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			<-registered
			instancer.Deregister(events)
		}()
		for {
			select {
			case <-events:
			case <-gone:
				return
			}
		}
	}
}

// listing reads go-kit's strings. known are the instances of the last event by
// string: one that is there again is the same pointer.
func listing(service string, texts []string, known map[string]*adsum.Instance) (l adsum.Listing, now map[string]*adsum.Instance) {
	now = make(map[string]*adsum.Instance, len(texts))
	for _, text := range texts {
		in := known[text]
		if in == nil {
			var err error
			if in, err = parseInstance(service, text); err != nil {
				l.Skipped = append(l.Skipped, adsum.Skipped{Key: text, Err: err})
				continue
			}
		}
		now[text] = in
		l.Instances = append(l.Instances, in)
	}
	return l, now
}

// defaultPorts are those that a URL may leave out.
var defaultPorts = map[string]string{"http": "80", "https": "443"}

func parseInstance(service, text string) (*adsum.Instance, error) {
	in := adsum.Instance{Service: service, Addr: text, Metadata: map[string]string{MetadataText: text}}
	if u, err := url.Parse(text); err == nil && u.Scheme != "" && u.Host != "" {
		in.Addr = u.Host
		if port := defaultPorts[u.Scheme]; u.Port() == "" && port != "" {
			in.Addr = net.JoinHostPort(u.Hostname(), port)
		}
		in.Endpoints = map[string]string{u.Scheme: in.Addr}
	}
	in = in.WithDefaults()
	if err := in.Validate(); err != nil {
		return nil, err
	}
	return &in, nil
}

// WatchServices tells the names once; they never change.
func (s *source) WatchServices(ctx context.Context, emit func([]string)) error {
	emit(slices.Sorted(maps.Keys(s.instancers)))
	select {
	case <-ctx.Done():
		return nil
	case <-s.closed:
		return fmt.Errorf("go-kit instancers: %w", adsum.ErrClosed)
	}
}

// Capabilities promises nothing in time: that depends on whose instancers
// they are, and go-kit's do not tell a quiet registry from a dead one.
func (s *source) Capabilities() adsum.Capabilities {
	return adsum.Capabilities{Driver: "go-kit", Registry: "go-kit instancers"}
}

// Close stops the instancers and ends the watches.
func (s *source) Close() error {
	s.closing.Do(func() {
		close(s.closed)
		for _, instancer := range s.instancers {
			instancer.Stop()
		}
	})
	return nil
}
