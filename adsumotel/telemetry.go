package adsumotel

import (
	"context"
	"errors"
	"slices"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/health"
	"github.com/adsum-go/adsum/lb"
)

// scope names who reports.
const scope = "github.com/adsum-go/adsum/adsumotel"

// Telemetry reports to OpenTelemetry. It is an [lb.ClientObserver]: give it to
// clients by the WithObserver of adsumgrpc, adsumhttp and adsumkit. Its methods
// are safe for concurrent use.
type Telemetry struct {
	lb.Clients
	options options
	calls   *calls // nil if they are not measured
	stop    metric.Registration

	mu            sync.Mutex
	directories   []*adsum.Directory
	registrations []*adsum.Registration
	checkers      []*health.Checker
	// What was counted by clients that were closed and registrations that were
	// forgotten since.
	retired map[clientKey]lb.ClientStats
	gone    map[registrationKey]registrations
}

var _ lb.ClientObserver = (*Telemetry)(nil)

// Option changes what a [Telemetry] reports, and to whom.
type Option func(*options)

type options struct {
	provider  metric.MeterProvider
	instances bool
	noCalls   bool
}

// WithMeterProvider sets who makes the instruments; OpenTelemetry's global
// provider if not given or nil.
func WithMeterProvider(provider metric.MeterProvider) Option {
	return func(o *options) { o.provider = provider }
}

// WithInstances adds the attribute adsum.instance to the metrics of calls and
// registrations: as many series as there are copies, and new ones with every
// copy that comes.
func WithInstances() Option { return func(o *options) { o.instances = true } }

// WithoutCallDurations leaves the durations of calls to somebody else, such as
// otelgrpc or otelhttp, which would give them the same names. Spans get their
// attributes all the same.
func WithoutCallDurations() Option { return func(o *options) { o.noCalls = true } }

// New makes the instruments. It fails as the provider of meters does. Close it at
// the end.
func New(opts ...Option) (*Telemetry, error) {
	t := &Telemetry{retired: map[clientKey]lb.ClientStats{}, gone: map[registrationKey]registrations{}}
	for _, apply := range opts {
		apply(&t.options)
	}
	if t.options.provider == nil {
		t.options.provider = otel.GetMeterProvider()
	}
	meter := t.options.provider.Meter(scope)
	if !t.options.noCalls {
		var err error
		if t.calls, err = newCalls(meter, t.options.instances); err != nil {
			return nil, err
		}
	}
	return t, t.observe(meter)
}

// observe makes what is read when it is collected.
func (t *Telemetry) observe(meter metric.Meter) error {
	directories, err1 := newFamily(meter, directoryInstruments)
	services, err2 := newFamily(meter, serviceInstruments)
	registrations, err3 := newFamily(meter, registrationInstruments)
	checks, err4 := newFamily(meter, checkInstruments)
	clients, err5 := newFamily(meter, clientInstruments)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	all := slices.Concat(directories.all(), services.all(), registrations.all(), checks.all(), clients.all())
	stop, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, d := range t.directoryStats() {
			registry := attrRegistry.String(d.Registry)
			directories.report(o, d, registry)
			for _, s := range d.Services {
				services.report(o, s, registry, attrService.String(s.Service))
			}
		}
		for key, r := range t.registrationStats() {
			registrations.report(o, r, key.attributes()...)
		}
		for _, c := range t.checkStats() {
			checks.report(o, c, attrCheck.String(c.Name))
		}
		for key, c := range t.clientStats() {
			clients.report(o, c, attrService.String(key.service), attrTransport.String(key.transport))
		}
		return nil
	}, all...)
	t.stop = stop
	return err
}

// Close ends the reports of numbers. Calls that end later are still measured.
func (t *Telemetry) Close() error { return t.stop.Unregister() }

// Directory reports the numbers of a directory until forget is called, which
// should be when it is closed.
func (t *Telemetry) Directory(d *adsum.Directory) (forget func()) {
	return watch(t, &t.directories, d, nil)
}

// Registration reports the numbers of a registration until forget is called; what
// it counted stays.
func (t *Telemetry) Registration(r *adsum.Registration) (forget func()) {
	return watch(t, &t.registrations, r, t.keep)
}

// Checker reports the numbers of health checks until forget is called.
func (t *Telemetry) Checker(c *health.Checker) (forget func()) {
	return watch(t, &t.checkers, c, nil)
}

// watch adds an item to a list until it is forgotten; keep is told of that while mu
// is held.
func watch[T comparable](t *Telemetry, list *[]T, item T, keep func(T)) (forget func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*list = append(*list, item)
	return sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if i := slices.Index(*list, item); i >= 0 {
			*list = slices.Delete(*list, i, i+1)
		}
		if keep != nil {
			keep(item)
		}
	})
}

// listed copies a list.
func listed[T any](t *Telemetry, list *[]T) []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(*list)
}
