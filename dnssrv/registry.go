package dnssrv

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

// Registry looks services up in DNS. All methods are safe for concurrent use.
type Registry struct {
	opts   Options
	once   sync.Once
	closed chan struct{}
}

var _ adsum.Registry = (*Registry)(nil)

// New makes a registry. It does no I/O.
func New(opts Options) (*Registry, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	return &Registry{opts: opts, closed: make(chan struct{})}, nil
}

// Open opens a URL. It does no I/O.
//
//	dns://10.0.0.2:8600/service.consul        SRV of NAME.service.consul
//	dns:///prod.svc.cluster.local?port=8080   A and AAAA of NAME.prod.svc.cluster.local
//	dns:?name=_grpc._tcp.{service}.example.org
//
// Without a server those of /etc/resolv.conf are asked. The options are name,
// port, timeout, min and max, as in [Options].
func Open(rawURL string) (adsum.Registry, error) {
	opts, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	return New(opts)
}

// Capabilities implements [adsum.Registry].
func (r *Registry) Capabilities() adsum.Capabilities {
	return adsum.Capabilities{
		Driver:      "dns",
		Registry:    "dns://" + strings.Join(r.opts.Servers, ",") + "/" + r.opts.Name,
		Propagation: r.opts.Max,
		Heartbeat:   r.opts.Max + 4*r.opts.Timeout,
		FoldsCase:   true,
		Limits:      "read only; addresses and weights alone",
	}
}

// Register implements [adsum.Registry]: DNS is not written.
func (r *Registry) Register(_ context.Context, in adsum.Instance, _ adsum.RegisterOptions) (adsum.Lease, error) {
	return nil, fmt.Errorf("register %s in DNS: %w", &in, adsum.ErrUnsupported)
}

// Close implements [adsum.Registry].
func (r *Registry) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

// Watch implements [adsum.Registry]. A name that does not exist, or has no
// such records, is an empty listing, if a server says so.
func (r *Registry) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	var known []*adsum.Instance
	for {
		answer, err := r.resolve(ctx, service)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.Capabilities().Registry, err)
		}
		known = reuse(known, answer.instances)
		emit(adsum.Listing{Instances: append([]*adsum.Instance(nil), known...), Skipped: answer.skipped})
		timer := time.NewTimer(min(max(answer.ttl, r.opts.Min), r.opts.Max))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-r.closed:
			timer.Stop()
			return fmt.Errorf("%s: watch %w", r.Capabilities().Registry, adsum.ErrClosed)
		case <-timer.C:
		}
	}
}

// reuse keeps the pointers of instances that did not change.
func reuse(known, found []*adsum.Instance) []*adsum.Instance {
	byID := make(map[string]*adsum.Instance, len(known))
	for _, in := range known {
		byID[in.ID] = in
	}
	for i, in := range found {
		if old := byID[in.ID]; old != nil && old.Equal(in) {
			found[i] = old
		}
	}
	return found
}
