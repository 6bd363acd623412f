package adsumgrpc

import (
	"encoding/json"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// Option is a setting of this package. It stands among gRPC's own options for
// [NewClient] and [DialOptions]; anywhere else it does nothing.
type Option struct {
	grpc.EmptyDialOption
	set func(*settings)
}

// settings are what one list of options asks for, which does not change, and
// who counts the calls made with it.
type settings struct {
	dir           *adsum.Directory
	policy        lb.Policy
	retry         lb.Retry
	inspector     *lb.Inspector // may be nil
	hedge         *lb.Hedge     // nil if off
	live          *lb.Live      // says policy, retry and hedge instead, unless nil
	tuning        *lb.Tuning    // what these connections have of it
	serviceConfig string
	idempotent    map[string]bool // methods that an option names
	declared      sync.Map        // what descriptors say: bool by method
	observer      lb.ClientObserver

	mu      sync.Mutex                            // held to add to clients
	clients atomic.Pointer[map[string]*lb.Client] // by service; never modified
}

// newSettings applies those of opts that are of this package to the defaults,
// and returns the others.
func newSettings(dir *adsum.Directory, opts []grpc.DialOption) (*settings, []grpc.DialOption) {
	s := &settings{dir: dir, idempotent: map[string]bool{}}
	s.clients.Store(&map[string]*lb.Client{})
	var others []grpc.DialOption
	for _, opt := range opts {
		if own, ok := opt.(Option); ok {
			own.set(s)
		} else {
			others = append(others, opt)
		}
	}
	if s.policy == nil {
		s.policy = lb.Routing{}
	}
	if s.live != nil {
		s.tuning = s.live.Tuning()
		s.retry = s.tuning.Retry()
	}
	if s.retry.Budget == nil {
		s.retry.Budget = &lb.Budget{}
	}
	if s.serviceConfig == "" {
		s.serviceConfig = "{}"
	}
	s.serviceConfig = withBalancer(s.serviceConfig)
	return s, others
}

// WithPolicy sets how copies are chosen; the zero [lb.Routing] if not given or
// nil: peak EWMA, with ejection of copies that fail.
func WithPolicy(policy lb.Policy) Option {
	return Option{set: func(s *settings) { s.policy = policy }}
}

// WithRetry sets how calls that are safe to send again are tried again; the
// zero [lb.Retry] if not given. One try, lb.Retry{Max: 1}, turns it off. Its
// PerTry and Timeout do not apply to streams. Without a budget of its own, the
// client has a zero [lb.Budget].
func WithRetry(retry lb.Retry) Option {
	return Option{set: func(s *settings) { s.retry = retry }}
}

// WithInspector lets the connection's balancer be looked at, and records its last
// picks; see package debug.
func WithInspector(inspector *lb.Inspector) Option {
	return Option{set: func(s *settings) { s.inspector = inspector }}
}

// WithHedge sends unary calls that are safe to send again to a second copy when
// an answer takes longer than nearly all did lately, takes the answer that comes
// first, and cancels the other; off if not given or nil. It happens within one
// try of [WithRetry], spends that one's budget unless h has another, and learns
// each method's latencies apart ([lb.Hedge.For], by its name, /package.Service/Method);
// h counts them all.
//
// Both calls run at once: interceptors and what [grpc.OnFinish] names may be
// called by two goroutines, and interceptors must return when their context
// ends. Calls whose reply is no protobuf message are not sent twice, nor are those
// of a context made by [Pin].
func WithHedge(h *lb.Hedge) Option {
	return Option{set: func(s *settings) { s.hedge = h }}
}

// WithConfig lets a config say how copies are chosen, how calls are tried again and
// whether they are hedged, in place of [WithPolicy], [WithRetry] and [WithHedge].
// When it changes, the next calls go by it; connections stay, but those to copies
// that are not wanted any more.
func WithConfig(live *lb.Live) Option {
	return Option{set: func(s *settings) { s.live = live }}
}

// Idempotent says that calls of these methods, /package.Service/Method, may be
// sent more than once, whatever their idempotency_level says.
func Idempotent(methods ...string) Option {
	return Option{set: func(s *settings) {
		for _, m := range methods {
			s.idempotent[m] = true
		}
	}}
}

// WithServiceConfig gives gRPC a service config in JSON, such as method
// timeouts or a healthCheckConfig, without naming the balancer. gRPC refuses
// one that is not well formed when the connection is made.
//
// A retryPolicy in it counts only where [WithRetry] turned this package's own tries
// off for good, without [WithConfig]: else every one of three tries would be sent three times, without a budget.
// Calls that it was for, and whose methods are not declared idempotent, are named
// by [Idempotent] instead.
func WithServiceConfig(config string) Option {
	return Option{set: func(s *settings) { s.serviceConfig = config }}
}

// withBalancer names our balancer in a service config that names none. A
// config that is no JSON object is left for gRPC to refuse.
func withBalancer(config string) string {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(config), &fields); err != nil || fields == nil {
		return config
	}
	const key = "loadBalancingConfig"
	if _, named := fields[key]; !named {
		fields[key] = json.RawMessage(`[{"` + BalancerName + `":{}}]`)
	}
	merged, err := json.Marshal(fields)
	if err != nil {
		return config
	}
	return string(merged)
}
