package etcd

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Options are the settings of [New]. The zero value works.
type Options struct {
	// Base is the path above the services, such as "/services". Empty gives
	// SERVICE/ID, the layout of etcd's own naming; services cannot be
	// listed then.
	Base string
	// Namespace is put in front of every key as it is, ours included.
	Namespace string
	// Format is how records are written, [codec.Naming] by default. All
	// formats are read.
	Format codec.Format
	// Heartbeat is the longest silence of a watch that is well, 5 s by
	// default, 10 ms at least. One that is silent for up to twice as long ends with
	// [adsum.ErrSilent].
	Heartbeat time.Duration
	// Timeout bounds every single request, 5 s by default.
	Timeout time.Duration
	// Logger is told, once, of rights that are missing. [slog.Default] by
	// default.
	Logger *slog.Logger
}

const (
	defaultHeartbeat = 5 * time.Second
	minHeartbeat     = 10 * time.Millisecond
	defaultTimeout   = 5 * time.Second
)

// Registry is etcd as an [adsum.Registry]. It is also an
// [adsum.ServiceWatcher], an [adsum.Remover] and an [adsum.Overrider]. Its
// methods are safe for concurrent use.
type Registry struct {
	client *clientv3.Client
	owned  bool // the client is ours to close
	trust  *trust
	conns  *conns // nil with a client of the program's own
	layout layout
	opts   Options
	name   string // for people: the URL without secrets

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // withdrawals and leases still at work

	mu        sync.Mutex
	closed    bool
	tenures   map[string]tenure   // by owner; guarded by mu
	sightings map[string]sighting // of other owners' leases, by owner; guarded by mu

	sayRights sync.Once
}

// New returns a registry on the program's own client, which stays the
// program's to close, and does no I/O. Three settings of the client matter:
// DialKeepAliveTime and DialKeepAliveTimeout, without which a member that
// froze is silent for ever, and backoff.Config.MaxDelay in a
// grpc.WithConnectParams, without which reconnecting after a long outage can
// take two minutes. [Open] makes them.
func New(client *clientv3.Client, opts Options) (*Registry, error) {
	name := &adsum.URL{Scheme: "etcd", Hosts: client.Endpoints(), Path: opts.Base}
	return newRegistry(client, name.String(), opts)
}

func newRegistry(client *clientv3.Client, name string, opts Options) (*Registry, error) {
	layout, err := newLayout(opts.Namespace, opts.Base)
	if err != nil {
		return nil, err
	}
	if opts.Format == "" {
		opts.Format = codec.Naming
	}
	if _, err := codec.Parse(string(opts.Format), Formats()...); err != nil {
		return nil, err
	}
	opts.Base = strings.Trim(opts.Base, "/")
	if opts.Heartbeat <= 0 {
		opts.Heartbeat = defaultHeartbeat
	}
	opts.Heartbeat = max(opts.Heartbeat, minHeartbeat)
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Registry{
		client: client, trust: &trust{}, layout: layout, opts: opts, name: name,
		ctx: ctx, cancel: cancel, tenures: map[string]tenure{}, sightings: map[string]sighting{},
	}, nil
}

// Formats lists the formats that can be written to etcd, the default first.
func Formats() []codec.Format {
	return []codec.Format{codec.Naming, codec.Addr, codec.Kratos, codec.Kitex}
}

// The longest TTL that etcd takes, in seconds, is 9,000,000,000, which is
// more than a time.Duration holds comfortably; a year is plenty.
const (
	minTTL = 2 * time.Second // of a server with the default election timeout
	maxTTL = 365 * 24 * time.Hour
)

// Capabilities implements [adsum.Registry].
func (r *Registry) Capabilities() adsum.Capabilities {
	return adsum.Capabilities{
		Driver:      "etcd",
		Registry:    r.name,
		Register:    true,
		MinTTL:      minTTL,
		MaxTTL:      maxTTL,
		Propagation: 500 * time.Millisecond,
		DetectTTLs:  1,
		DetectExtra: 2 * time.Second, // TTLs are whole seconds, rounded up, and expire with a lag of half a second
		Heartbeat:   r.opts.Heartbeat,
		Sequenced:   true,
		Limits:      "a record takes at most 256 KiB in the chosen format",
	}
}

// Close implements [adsum.Registry].
func (r *Registry) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.wg.Wait()
	if r.owned {
		return r.client.Close()
	}
	return nil
}

// spawn runs f in a goroutine that Close waits for, unless Close was called.
func (r *Registry) spawn(f func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.wg.Go(f)
	return true
}

// request bounds one request, which also ends when the registry is closed.
func (r *Registry) request(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	stop := context.AfterFunc(r.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// commit runs one transaction.
func (r *Registry) commit(ctx context.Context, conditions []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	ctx, cancel := r.request(ctx)
	defer cancel()
	return r.client.Txn(ctx).If(conditions...).Then(then...).Else(otherwise...).Commit()
}

// missingRight says once that the private part is out of reach.
func (r *Registry) missingRight(err error) {
	r.sayRights.Do(func() {
		r.opts.Logger.Warn("etcd: no right to the private part: overrides are not seen, and an instance that must not be called is withdrawn instead of hidden",
			"prefix", r.layout.private, "fix", fmt.Sprintf("etcdctl role grant-permission ROLE --prefix readwrite %q", r.layout.private), "err", err)
	})
}
