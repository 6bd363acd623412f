package zookeeper

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Options are the settings of [New]. The zero value works.
type Options struct {
	// Base is the path above the services, such as "/services", which is
	// where Curator and Spring Cloud look. Empty gives /SERVICE/ID; services
	// cannot be listed then.
	Base string
	// Chroot is the path that stands for the root of everything, as the last
	// part of a ZooKeeper connection string does.
	Chroot string
	// Format is how records are written, [codec.Curator] by default. All
	// formats are read.
	Format codec.Format
	// Credentials are shown to the ensemble; none by default.
	Credentials *Credentials
	// ACL is who may do what with the nodes that are made: everybody
	// everything by default, and with Credentials only their user. The
	// directories above a service's may besides be read, and be added to, by
	// everybody.
	ACL []zk.ACL
	// TLS is used as it is, if it is set.
	TLS *tls.Config
	// DialTimeout bounds one attempt to connect, the handshakes included,
	// 2 s by default.
	DialTimeout time.Duration
	// Heartbeat is the longest silence of a watch that is well, 5 s by
	// default, 10 ms at least.
	Heartbeat time.Duration
	// Timeout bounds every single request, 5 s by default.
	Timeout time.Duration
	// Logger is told, once, of rights that are missing. [slog.Default] by
	// default.
	Logger *slog.Logger
}

const (
	defaultDialTimeout = 2 * time.Second
	defaultHeartbeat   = 5 * time.Second
	minHeartbeat       = 10 * time.Millisecond
	defaultTimeout     = 5 * time.Second
)

// Registry is ZooKeeper as an [adsum.Registry]. It is also an
// [adsum.ServiceWatcher], an [adsum.Remover] and an [adsum.Overrider]. Its
// methods are safe for concurrent use.
//
// A record lives as long as a session. Registrations of the same TTL share
// one, and watches share that of [adsum.DefaultTTL], so that a program which
// does not choose has one session in all.
type Registry struct {
	hosts  []string
	trust  *trust
	layout layout
	opts   Options
	name   string // for people: the URL without secrets

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // sessions, leases and withdrawals still at work

	begin    sync.Mutex                 // held while a session begins
	sessions map[time.Duration]*session // by the timeout asked for; guarded by begin

	mu          sync.Mutex
	closed      bool
	withdrawals map[string]*withdrawal // under way, by owner; guarded by mu
	sightings   map[string]sighting    // of other owners, by owner; guarded by mu

	sayRights sync.Once
}

// New returns a registry on these servers, each host:port or host. It does no
// I/O.
func New(hosts []string, opts Options) (*Registry, error) {
	name := &adsum.URL{Scheme: "zk", Hosts: withPorts(hosts), Path: opts.Base}
	return newRegistry(hosts, name.String(), &trust{tls: opts.TLS != nil, fixed: opts.TLS}, opts)
}

func newRegistry(hosts []string, name string, t *trust, opts Options) (*Registry, error) {
	layout, err := newLayout(opts.Chroot, opts.Base)
	if err != nil {
		return nil, err
	}
	if opts.Format == "" {
		opts.Format = codec.Curator
	}
	if _, err := codec.Parse(string(opts.Format), Formats()...); err != nil {
		return nil, err
	}
	if opts.ACL == nil {
		opts.ACL = defaultACL(opts.Credentials)
	}
	for setting, fallback := range map[*time.Duration]time.Duration{
		&opts.DialTimeout: defaultDialTimeout, &opts.Heartbeat: defaultHeartbeat, &opts.Timeout: defaultTimeout,
	} {
		if *setting <= 0 {
			*setting = fallback
		}
	}
	opts.Heartbeat = max(opts.Heartbeat, minHeartbeat)
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Registry{
		hosts: withPorts(hosts), trust: t, layout: layout, opts: opts, name: name, ctx: ctx, cancel: cancel,
		sessions: map[time.Duration]*session{}, withdrawals: map[string]*withdrawal{}, sightings: map[string]sighting{},
	}, nil
}

// Formats lists the formats that can be written to ZooKeeper, the default
// first.
func Formats() []codec.Format {
	return []codec.Format{codec.Curator, codec.Spring, codec.Addr, codec.Kratos}
}

// The session timeouts that a server grants are 2 to 20 of its ticks, of 2 s
// each by default.
const (
	minTTL = 4 * time.Second
	maxTTL = 40 * time.Second
)

// Capabilities implements [adsum.Registry].
func (r *Registry) Capabilities() adsum.Capabilities {
	return adsum.Capabilities{
		Driver:      "zookeeper",
		Registry:    r.name,
		Register:    true,
		MinTTL:      minTTL,
		MaxTTL:      maxTTL,
		Propagation: 500 * time.Millisecond,
		DetectTTLs:  1,
		DetectExtra: 3 * time.Second, // sessions expire at the next tick of 2 s
		Heartbeat:   r.opts.Heartbeat,
		Sequenced:   true,
		Limits:      "a record takes at most 256 KiB in the chosen format",
	}
}

// Close implements [adsum.Registry]. It ends the sessions, so that leases
// still open are gone at once where the ensemble can be reached, and within
// their TTL otherwise.
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

// session returns one that answers, beginning it if there is none.
func (r *Registry) session(ctx context.Context, timeout time.Duration) (*session, error) {
	for {
		s, err := r.current(timeout)
		if err != nil {
			return nil, err
		}
		err = s.await(ctx)
		if !errors.Is(err, errOver) || ctx.Err() != nil {
			return s, err
		}
	}
}

// current returns the session of that timeout that is not over.
func (r *Registry) current(timeout time.Duration) (*session, error) {
	r.begin.Lock()
	defer r.begin.Unlock()
	if r.ctx.Err() != nil {
		return nil, adsum.ErrClosed
	}
	s := r.sessions[timeout]
	if s == nil || s.ctx.Err() != nil {
		if err := r.opts.Credentials.check(); err != nil {
			return nil, err
		}
		s = newSession(r, timeout)
		r.sessions[timeout] = s
	}
	return s, nil
}

// shared is the session for whatever is not a registration.
func (r *Registry) shared(ctx context.Context) (*session, error) {
	return r.session(ctx, adsum.DefaultTTL)
}

// bind ends a context with the registry too.
func (r *Registry) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(r.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// missingRight says once that the private part is out of reach.
func (r *Registry) missingRight(err error) {
	r.sayRights.Do(func() {
		r.opts.Logger.Warn("zookeeper: no right to the private part: overrides are not seen, and an instance that must not be called is withdrawn instead of hidden",
			"path", r.layout.root+"/adsum", "fix", "let the user create and read there", "err", err)
	})
}

// ensure makes a service's directory, as a container that the server removes
// when it is empty, and those above it.
func (s *session) ensure(ctx context.Context, dir string) error {
	err := s.makeDirectory(ctx, dir, true)
	if !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	var missing []string
	for above := parent(dir); above != "" && above != "/"; above = parent(above) {
		stat, err := s.stat(ctx, above)
		if err != nil {
			return err
		}
		if stat != nil {
			break
		}
		missing = append(missing, above)
	}
	for _, above := range slices.Backward(missing) {
		if err := s.makeDirectory(ctx, above, false); err != nil {
			return err
		}
	}
	return s.makeDirectory(ctx, dir, true)
}

// unimplemented is what a server older than 3.5 says of containers; the
// library does not know the code.
const unimplemented = "unknown error: -6"

func (s *session) makeDirectory(ctx context.Context, dir string, container bool) error {
	_, err := request(ctx, s, func(c *zk.Conn) (string, error) {
		if !container {
			return c.Create(dir, nil, zk.FlagPersistent, sharedACL(s.r.opts.ACL))
		}
		path, err := c.CreateContainer(dir, nil, zk.FlagContainer, s.r.opts.ACL)
		if err != nil && err.Error() == unimplemented {
			return c.Create(dir, nil, zk.FlagPersistent, s.r.opts.ACL)
		}
		return path, err
	})
	if errors.Is(err, zk.ErrNodeExists) {
		return nil
	}
	return err
}
