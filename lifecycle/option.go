package lifecycle

import (
	"cmp"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/adsum-go/adsum"
)

// The bounds of the defaults. Together they stay under the 30 s after which
// Kubernetes kills a process that it asked to end.
const (
	drainMargin     = 500 * time.Millisecond
	maxDrainDelay   = 15 * time.Second
	defaultStopTime = 10 * time.Second
)

// Option changes how a server is run. The defaults are good for production.
type Option func(*options)

type options struct {
	drainDelay  time.Duration
	stopTimeout time.Duration
	signals     []os.Signal
	register    []adsum.RegisterOption
	onRegister  []func(*adsum.Registration)
	logger      *slog.Logger
}

// newOptions applies opts to the defaults for the registry.
func newOptions(registry adsum.Registry, opts []Option) options {
	o := options{
		drainDelay:  DrainDelay(registry.Capabilities()),
		stopTimeout: defaultStopTime,
		signals:     []os.Signal{syscall.SIGTERM, os.Interrupt},
		logger:      slog.Default(),
	}
	for _, apply := range opts {
		apply(&o)
	}
	return o
}

// DrainDelay is how long a server goes on answering after it was withdrawn,
// unless [WithDrainDelay] says otherwise: the registry's propagation time and
// half a second for callers that are slow to act on it, at most 15 s.
func DrainDelay(c adsum.Capabilities) time.Duration {
	return min(c.Propagation+drainMargin, maxDrainDelay)
}

// WithDrainDelay sets how long the server goes on answering after it was
// withdrawn, so that callers have time to see it. The default is [DrainDelay].
func WithDrainDelay(d time.Duration) Option { return func(o *options) { o.drainDelay = d } }

// WithStopTimeout bounds how long calls may take to finish once the drain
// delay is over; then they are cut off. The default is 10 s.
func WithStopTimeout(d time.Duration) Option { return func(o *options) { o.stopTimeout = d } }

// WithSignals sets the signals that end the server; none leaves it to the
// context. The defaults are SIGTERM and the interrupt. A second signal skips
// what is left of the drain and stops at once.
func WithSignals(signals ...os.Signal) Option { return func(o *options) { o.signals = signals } }

// WithRegister passes options on to [adsum.Register].
func WithRegister(opts ...adsum.RegisterOption) Option {
	return func(o *options) { o.register = append(o.register, opts...) }
}

// OnRegister hands out the registration as soon as it exists, for health
// checks that set its status and for readiness. It must not block. The
// lifecycle closes the registration.
func OnRegister(f func(*adsum.Registration)) Option {
	return func(o *options) { o.onRegister = append(o.onRegister, f) }
}

// WithLogger sets where the steps are logged; [slog.Default] if not given or
// nil.
func WithLogger(logger *slog.Logger) Option {
	return func(o *options) { o.logger = cmp.Or(logger, slog.Default()) }
}
