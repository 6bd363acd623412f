package adsumhttp

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// service is all that calls to one service share. Its connections are its own,
// so that one whose certificate bears the name of this service never serves
// another that has copies at the same address.
type service struct {
	key      key
	options  *options
	view     *adsum.View
	balancer *lb.Balancer
	client   *lb.Client // who counts the calls
	leave    func()     // the client
	http     *http.Transport

	probing chan struct{} // holds as many as there are probes under way
	ctx     context.Context
	cancel  context.CancelFunc // ends probes

	version uint64      // of the config that the policy is from; of follow
	known   atomic.Bool // whether the balancer had a snapshot that says something
	done    chan struct{}
	running sync.WaitGroup

	// Guarded by the Transport's mutex.
	users  int
	usedAt time.Time
	idle   *time.Timer
}

func newService(k key, view *adsum.View, options *options) *service {
	protocols := []string{"https"}
	if k.scheme == "http" {
		protocols = []string{"http", "https"}
	}
	s := &service{
		version: options.version(),
		key:     k,
		options: options,
		view:    view,
		http:    options.http.Clone(),
		probing: make(chan struct{}, probesMost),
		done:    make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.balancer = lb.New(options.policyNow(), lb.Options{Protocols: protocols, Inspector: options.inspector, Transport: k.scheme, Probe: s.probe})
	switch {
	case options.tls != nil:
		s.http.TLSClientConfig = options.tls.Clone()
	case s.http.TLSClientConfig == nil:
		s.http.TLSClientConfig = &tls.Config{}
	}
	s.http.TLSClientConfig.ServerName = options.serverName(k.service)
	s.client = lb.NewClient(lb.ClientOptions{Transport: k.scheme, Service: k.service,
		Budget: options.retry.Budget, Observer: options.observer})
	s.leave = s.client.Open(s.balancer)
	s.running.Go(s.follow)
	return s
}

// follow hands every snapshot, and every change of the policy, to the balancer.
func (s *service) follow() {
	for {
		changed, configured := s.view.Changed(), s.options.configured()
		if now := s.options.version(); now != s.version {
			s.version = now
			s.balancer.SetPolicy(s.options.policyNow())
		}
		s.update(s.view.Snapshot())
		select {
		case <-changed:
		case <-configured:
		case <-s.done:
			return
		}
	}
}

func (s *service) update(snapshot *adsum.Snapshot) {
	s.balancer.Update(snapshot)
	if snapshot.Known() {
		s.known.Store(true)
	}
}

// ready waits until something is known of the service.
func (s *service) ready(ctx context.Context) error {
	if s.known.Load() {
		return nil
	}
	if err := s.view.Ready(ctx); err != nil {
		return err
	}
	s.update(s.view.Snapshot())
	return nil
}

func (s *service) close() {
	close(s.done)
	s.running.Wait()
	s.view.Close()
	s.leave()
	s.cancel()
	s.balancer.Close()
	s.http.CloseIdleConnections()
}

// secure reports whether the endpoint is called by TLS.
func (s *service) secure(ep *lb.Endpoint) bool {
	return s.key.scheme == "https" || ep.Protocol() == "https"
}
