package consul

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// Options are the settings of [New]. The zero value works.
type Options struct {
	// Check, if set, has the agent itself check every instance registered:
	// it returns what the agent is to do for this one. [CheckURL] makes one
	// from a URL. Without it, the owner's heartbeat is the check.
	Check func(adsum.Instance) (*api.AgentServiceCheck, error)
	// DeregisterAfter is when the agent removes a record whose owner's
	// heartbeat, or whose Check, has failed for that long, 1 min by
	// default. The agent raises less than that to 1 min, and looks every
	// 30 s.
	DeregisterAfter time.Duration

	// Tags and PassingOnly have the server leave out instances without all
	// of the tags, and those that Consul does not call passing. The engine
	// then never sees them, nor why they are missing.
	Tags        []string
	PassingOnly bool
	// Datacenter is the data centre to read from, that of the agent by
	// default. Records are always published where the agent is.
	Datacenter string
	// MaxStale, if set, lets any server answer, one that was in contact
	// with the leader within that time. A watch ends where none was.
	MaxStale time.Duration

	// Heartbeat is the longest silence of a watch that is well, 10 s by
	// default, 10 ms at least.
	Heartbeat time.Duration
	// Timeout bounds every single request, 5 s by default. It is added to
	// the time for which the agent holds a blocking query.
	Timeout time.Duration
	// Logger is told, once, of rights that are missing. [slog.Default] by
	// default.
	Logger *slog.Logger
}

const (
	defaultHeartbeat       = 10 * time.Second
	minHeartbeat           = 10 * time.Millisecond
	defaultTimeout         = 5 * time.Second
	defaultDeregisterAfter = time.Minute
)

func (o Options) withDefaults() Options {
	if o.DeregisterAfter <= 0 {
		o.DeregisterAfter = defaultDeregisterAfter
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = defaultHeartbeat
	}
	o.Heartbeat = max(o.Heartbeat, minHeartbeat)
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Registry is Consul as an [adsum.Registry]. It is also an
// [adsum.ServiceWatcher], an [adsum.Validator], an [adsum.Remover] and an
// [adsum.Overrider]. Its methods are safe for concurrent use.
type Registry struct {
	client    *api.Client
	transport *transport // nil if the client is the program's own
	opts      Options
	name      string // for people: the URL without secrets

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // leases still at work

	mu     sync.Mutex
	closed bool // guarded by mu

	writings writings

	sayOverrides, sayFiltered sync.Once
}

// New returns a registry on the program's own client, which stays the
// program's to close, and does no I/O. Its token, TLS and namespace are the
// client's business.
func New(client *api.Client, opts Options) *Registry {
	return newRegistry(client, "consul", opts)
}

func newRegistry(client *api.Client, name string, opts Options) *Registry {
	ctx, cancel := context.WithCancel(context.Background())
	return &Registry{client: client, opts: opts.withDefaults(), name: name, ctx: ctx, cancel: cancel}
}

// expiryGrace is how long a record whose heartbeat ran out is still listed, as
// warning. An agent that was frozen or down finds all heartbeats run out when
// it is back; their owners beat again within the longest pause between two
// attempts of a registration, 6 s.
const expiryGrace = 7 * time.Second

// reaping is how long after DeregisterAfter the agent may take to notice.
const reaping = 30 * time.Second

// Capabilities implements [adsum.Registry].
func (r *Registry) Capabilities() adsum.Capabilities {
	extra := expiryGrace + time.Second
	if r.opts.Check != nil {
		// Interval and timeout of the check are not known here; a minute
		// is what the longest usual ones come to.
		extra = max(r.opts.DeregisterAfter, defaultDeregisterAfter) + reaping + time.Minute
	}
	return adsum.Capabilities{
		Driver:      "consul",
		Registry:    r.name,
		Register:    true,
		MinTTL:      time.Second,
		MaxTTL:      24 * time.Hour,
		Propagation: time.Second,
		DetectTTLs:  1,
		DetectExtra: extra,
		Heartbeat:   r.opts.Heartbeat,
		FoldsCase:   true,
		Checks:      []string{"http", "grpc", "tcp", "ttl"},
		Limits:      "metadata takes at most 64 entries of 512 bytes, what Consul cannot hold natively packed together; about 28 KiB in all",
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
	if r.transport != nil {
		r.transport.base.CloseIdleConnections()
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

// query are the options of a request to the agent.
func query(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{}).WithContext(ctx)
}

// reading adds what the program chose about reading the catalog.
func (r *Registry) reading(q *api.QueryOptions) *api.QueryOptions {
	q.Datacenter = r.opts.Datacenter
	q.AllowStale = r.opts.MaxStale > 0
	return q
}

// Validate implements [adsum.Validator]: it refuses metadata that does not
// fit, and what the check of [Options.Check] cannot be made of.
func (r *Registry) Validate(in adsum.Instance) error {
	longest := term{claim: adsum.Claim{Owner: strings.Repeat("O", 32), Incarnation: 1<<64 - 1}, lease: strings.Repeat("L", 26), serial: 1 << 62}
	_, err := r.registration(in.WithDefaults(), longest, time.Second)
	if _, refused := errors.AsType[*adsum.InvalidError](err); err != nil && !refused {
		return &adsum.InvalidError{Field: "check", Problem: err.Error(), Fix: "let Options.Check return a check for every instance"}
	}
	return err
}
