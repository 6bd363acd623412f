package adsumhttp

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// Option changes how a [Transport] calls. The defaults are good for
// production.
type Option func(*options)

type options struct {
	policy      lb.Policy
	retry       lb.Retry
	inspector   *lb.Inspector // may be nil
	hedge       *lb.Hedge     // nil if off
	live        *lb.Live      // says policy, retry and hedge instead, unless nil
	tuning      *lb.Tuning    // what this transport has of it
	base        http.RoundTripper
	http        *http.Transport // cloned for each service
	tls         *tls.Config     // replaces http's, unless nil
	host        func(service string) string
	serverName  func(service string) string
	idleTimeout time.Duration
	observer    lb.ClientObserver
}

func newOptions(opts []Option) options {
	itself := func(service string) string { return service }
	o := options{
		http:        tuned(),
		host:        itself,
		serverName:  itself,
		idleTimeout: 10 * time.Minute,
	}
	for _, apply := range opts {
		apply(&o)
	}
	if o.policy == nil {
		o.policy = lb.Routing{}
	}
	if o.live != nil {
		o.tuning = o.live.Tuning()
		o.retry = o.tuning.Retry()
	}
	if o.retry.Budget == nil {
		o.retry.Budget = &lb.Budget{}
	}
	return o
}

// tuned is what services inside a network are called with. Against the
// standard library's default it keeps the connections of a burst instead of
// two for each copy, gives up sooner on a copy that is not there, as there are
// others, and asks no proxy.
func tuned() *http.Transport {
	dialer := &net.Dialer{Timeout: 2 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		DialContext:           dialer.DialContext,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
}

// WithPolicy sets how copies are chosen; the zero [lb.Routing] if not given or
// nil: peak EWMA, with ejection of copies that fail.
func WithPolicy(policy lb.Policy) Option { return func(o *options) { o.policy = policy } }

// WithRetry sets how often and for how long requests that are safe to send
// again are tried; the zero [lb.Retry] if not given. Its times end when the
// headers of an answer are there, and leave the body alone. One try,
// lb.Retry{Max: 1}, turns it off. Without a budget of its own, the transport
// has a zero [lb.Budget].
func WithRetry(retry lb.Retry) Option { return func(o *options) { o.retry = retry } }

// WithInspector lets the balancers of the services be looked at, and records their
// last picks; see package debug.
func WithInspector(inspector *lb.Inspector) Option {
	return func(o *options) { o.inspector = inspector }
}

// WithHedge sends requests that are safe to send again to a second copy when an
// answer takes longer than nearly all did lately, takes the answer that comes
// first, and cancels the other; off if not given or nil. It happens within one
// try of [WithRetry], spends that one's budget unless h has another, and learns
// the latencies of each method of each service apart ([lb.Hedge.For], by
// "GET http://service"); h counts them all. The answer is there when its headers
// are. A request with a trailer, and one of a context made by [lb.Pin], is sent
// once.
func WithHedge(h *lb.Hedge) Option { return func(o *options) { o.hedge = h } }

// WithConfig lets a config say how copies are chosen, how requests are tried again
// and whether they are hedged, in place of [WithPolicy], [WithRetry] and
// [WithHedge]. When it changes, the next requests go by it; connections stay.
func WithConfig(live *lb.Live) Option { return func(o *options) { o.live = live } }

// WithBase hands requests that name no service to base: those with another
// scheme than http and https, and with a host that has a port or a dot, or is
// an address. Without it such a request fails with [ErrNotService], and a name
// may have dots.
func WithBase(base http.RoundTripper) Option { return func(o *options) { o.base = base } }

// WithTLSConfig sets the roots and the certificates for TLS. Its ServerName is
// replaced; see [WithServerName]. The config is cloned.
func WithTLSConfig(config *tls.Config) Option {
	return func(o *options) { o.tls = config.Clone() }
}

// WithHTTPTransport sets the transport whose settings every service's own
// connections are made with. It is cloned, and not used itself.
func WithHTTPTransport(t *http.Transport) Option { return func(o *options) { o.http = t.Clone() } }

// WithHost sets the Host header of requests that set none themselves: the
// service's name if not given.
func WithHost(host func(service string) string) Option { return func(o *options) { o.host = host } }

// WithServerName sets the name that the certificate of a service's copies must
// bear: the service's name if not given.
func WithServerName(name func(service string) string) Option {
	return func(o *options) { o.serverName = name }
}

// WithIdleTimeout sets after how long a service that nobody called is let go,
// with its watch, its connections and all that was learned of it; 10 minutes
// if not given.
func WithIdleTimeout(d time.Duration) Option { return func(o *options) { o.idleTimeout = d } }
