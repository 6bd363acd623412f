package eureka

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

// Options are the settings of [New]. The zero value works, for servers that
// have their own defaults.
type Options struct {
	// Zone is where this program runs. Servers of that zone come first.
	Zone string
	// Zones holds the base URLs of further servers by zone.
	Zones map[string][]string

	// User and Password are shown to every server whose URL names no user.
	// Password is asked anew for every request; an error of it is
	// [adsum.ErrDenied].
	User     string
	Password func() (string, error)
	// Transport makes the requests. nil is one of this registry's own. Another
	// stays the program's to close, and must speak gzip, as [http.Transport]
	// does.
	Transport http.RoundTripper

	// PreferIP takes what foreign programs register as ipAddr for their
	// address, and not hostName.
	PreferIP bool
	// Poll is the time between two answers of a watch, 30 s by default,
	// times 0.9 to 1.1 at random. Shorter than ServerCache it costs much and
	// brings little.
	Poll time.Duration
	// Timeout bounds every single request to one server, 5 s by default.
	Timeout time.Duration

	// ServerCache is how old a server's lists may be: its
	// response-cache-update-interval-ms, 30 s by default; negative for a
	// server with use-read-only-response-cache=false.
	ServerCache time.Duration
	// Eviction is the server's eviction-interval-timer-in-ms, 60 s by
	// default.
	Eviction time.Duration
	// NoSelfPreservation tells that the servers have
	// enable-self-preservation=false, so that a crashed instance is not
	// kept for ever.
	NoSelfPreservation bool

	// Now is the time of day, [time.Now] by default. Eureka orders the
	// versions of a record by it; it may jump.
	Now func() time.Time
}

const (
	defaultPoll     = 30 * time.Second
	defaultTimeout  = 5 * time.Second
	defaultCache    = 30 * time.Second
	defaultEviction = 60 * time.Second
)

func (o *Options) withDefaults() {
	if o.Poll <= 0 {
		o.Poll = defaultPoll
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.ServerCache == 0 {
		o.ServerCache = defaultCache
	}
	o.ServerCache = max(o.ServerCache, 0)
	if o.Eviction <= 0 {
		o.Eviction = defaultEviction
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Registry is Eureka as an [adsum.Registry]. It is also an
// [adsum.ServiceWatcher], an [adsum.Overrider], an [adsum.Remover] and an
// [adsum.Validator]. Its
// methods are safe for concurrent use.
type Registry struct {
	client  *http.Client
	own     *http.Transport // of client, if it is ours to close
	servers servers
	clock   clock
	opts    Options
	name    string // for people: the URL without secrets

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // leases and withdrawals still at work

	memory memory
	words  words

	mu     sync.Mutex
	closed bool // guarded by mu
}

// New returns a registry on servers with these base URLs, such as
// http://user:password@host:8761/eureka: what Eureka's own clients call
// serviceUrl. Those of [Options.Zone] come first, then these, then those of
// other zones; the first that answers is used until it fails. New does no I/O.
func New(baseURLs []string, opts Options) (*Registry, error) {
	var own, others []string
	for _, zone := range sorted(opts.Zones) {
		if zone == opts.Zone {
			own = opts.Zones[zone]
		} else {
			others = append(others, opts.Zones[zone]...)
		}
	}
	var all []*server
	for _, list := range [][]string{own, baseURLs, others} {
		for _, text := range list {
			s, err := parseServer(text)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, &adsum.InvalidError{Field: "servers", Problem: "there is none", Fix: "name one, such as http://127.0.0.1:8761/eureka"}
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.String()
	}
	var transport *http.Transport
	if opts.Transport == nil {
		transport = newTransport(&trust{}, defaultTimeout)
	}
	return newRegistry(all, strings.Join(names, ","), transport, opts), nil
}

func parseServer(text string) (*server, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, &adsum.InvalidError{Field: "server", Problem: "it is no base URL of a Eureka server", // its text may hold a password
			Fix: "write it like http://host:8761/eureka"}
	}
	base := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	return &server{base: base, user: u.User}, nil
}

// newRegistry makes a registry on a transport of its own, or without one on
// that of the options.
func newRegistry(all []*server, name string, own *http.Transport, opts Options) *Registry {
	opts.withDefaults()
	if own != nil {
		opts.Transport = own
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Registry{
		client: &http.Client{
			Transport: opts.Transport,
			// A PUT would arrive as a GET; and it is for people to change
			// the address.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		own:     own,
		servers: servers{all: all, failed: map[*server]time.Time{}},
		clock:   clock{now: opts.Now},
		memory:  memory{services: map[string]*remembered{}},
		opts:    opts, name: name, ctx: ctx, cancel: cancel,
	}
}

// Eureka counts leases in whole seconds. Renewals closer than half a second
// never reach a server's peers. It makes milliseconds of them in 32 bits: more
// than 24 days would be counted as fewer, or as none.
const (
	minTTL = 3 * time.Second
	maxTTL = math.MaxInt32 / 1000 * time.Second
)

// Capabilities implements [adsum.Registry].
func (r *Registry) Capabilities() adsum.Capabilities {
	propagation := r.opts.ServerCache + r.longestPause() + 500*time.Millisecond
	caps := adsum.Capabilities{
		Driver:      "eureka",
		Registry:    r.name,
		Register:    true,
		MinTTL:      minTTL,
		MaxTTL:      maxTTL,
		Propagation: propagation,
		DetectTTLs:  2, // a renewal grants the lease twice its duration
		DetectExtra: r.opts.Eviction + propagation,
		Heartbeat:   r.longestPause() + r.opts.Timeout,
		FoldsCase:   true,
		Limits:      "beyond its metadata, an instance takes at most 256 KiB as JSON",
	}
	if !r.opts.NoSelfPreservation {
		caps.DetectTTLs, caps.DetectExtra = 0, 0
	}
	return caps
}

// Close implements [adsum.Registry].
func (r *Registry) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.wg.Wait()
	if r.own != nil {
		r.own.CloseIdleConnections()
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

// seconds rounds up to what Eureka counts in.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// quote makes foreign text safe to print, and short.
func quote(s string) string {
	if len(s) > 64 {
		s = s[:61] + "..."
	}
	return strconv.Quote(s)
}

func (r *Registry) explain(tried string, err error) error {
	switch {
	case err == nil:
		return nil
	case r.ctx.Err() != nil:
		return fmt.Errorf("eureka: %s: %w", tried, adsum.ErrClosed)
	}
	return fmt.Errorf("eureka: %s: %w", tried, err)
}
