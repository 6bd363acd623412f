package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/pflag"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/adsumotel"
	"github.com/adsum-go/adsum/health"
	"github.com/adsum-go/adsum/lb"
)

// adminFlags say where a running command can be looked at.
type adminFlags struct{ Metrics string }

func (a *adminFlags) addMetrics(flags *pflag.FlagSet) {
	flags.StringVar(&a.Metrics, "metrics", "",
		"HOST:PORT of /metrics, /healthz, /readyz and, on this machine, profiles; without HOST, this machine only")
}

// admin is the port on which a running command can be looked at. All methods of a
// nil one do nothing: it was not asked for.
type admin struct {
	telemetry *adsumotel.Telemetry
	provider  *metric.MeterProvider
	server    *http.Server
	served    sync.WaitGroup

	mu     sync.Mutex
	checks []adsumhttp.Check // none while the command is starting
}

// openAdmin listens at --metrics; without that, it returns nil.
func (f *Factory) openAdmin(flags adminFlags) (*admin, error) {
	if flags.Metrics == "" {
		return nil, nil
	}
	host, port, err := net.SplitHostPort(flags.Metrics)
	if err != nil || !isPort(port) {
		return nil, usagef("--metrics %s: give HOST:PORT, or :PORT for this machine only", flags.Metrics)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	a, err := newAdmin(loopback(host))
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if !loopback(host) {
		f.Notef("WARNING: whoever reaches %s can read names and addresses there; profiles are left out", listener.Addr())
	}
	f.Notef("metrics at http://%s/metrics", listener.Addr())
	a.served.Go(func() {
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			f.Notef("--metrics: %v", err)
		}
	})
	return a, nil
}

func newAdmin(profiles bool) (*admin, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry),
		otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	a := &admin{provider: metric.NewMeterProvider(metric.WithReader(exporter))}
	if a.telemetry, err = adsumotel.New(adsumotel.WithMeterProvider(a.provider)); err != nil {
		return nil, err
	}
	pages := map[string]http.Handler{
		"/metrics": promhttp.HandlerFor(registry, promhttp.HandlerOpts{}),
		"/readyz":  http.HandlerFunc(a.readyz),
	}
	if profiles {
		pages["/debug/pprof/"] = http.HandlerFunc(pprof.Index)
		pages["/debug/pprof/profile"] = http.HandlerFunc(pprof.Profile)
		pages["/debug/pprof/trace"] = http.HandlerFunc(pprof.Trace)
		pages["/debug/pprof/symbol"] = http.HandlerFunc(pprof.Symbol)
	}
	a.server = &http.Server{Handler: adsumhttp.Admin(nil, pages), ReadHeaderTimeout: 5 * time.Second}
	return a, nil
}

// readyz asks the checks that there are by now.
func (a *admin) readyz(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	checks := append([]adsumhttp.Check{}, a.checks...)
	a.mu.Unlock()
	if len(checks) == 0 {
		checks = append(checks, adsumhttp.Passes("start", func(context.Context) error { return errors.New("still starting") }))
	}
	adsumhttp.Readyz(checks...).ServeHTTP(w, r)
}

func (a *admin) require(check adsumhttp.Check) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checks = append(a.checks, check)
}

// Directory reports a directory, and is ready once that is.
func (a *admin) Directory(d *adsum.Directory) (forget func()) { return a.directory(d, "") }

// directory is Directory for one of several, of which the role says which.
func (a *admin) directory(d *adsum.Directory, role string) (forget func()) {
	if a == nil {
		return func() {}
	}
	check := adsumhttp.SyncedAll(d)
	if role != "" {
		check = as(role, check)
	}
	a.require(check)
	return a.telemetry.Directory(d)
}

// as puts a name before what a check says.
func as(name string, check adsumhttp.Check) adsumhttp.Check {
	return func(ctx context.Context) (string, error) {
		note, err := check(ctx)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		return name + ": " + note, nil
	}
}

// Registration reports a registration.
func (a *admin) Registration(r *adsum.Registration) (forget func()) {
	if a == nil {
		return func() {}
	}
	return a.telemetry.Registration(r)
}

// own reports the registration that a command is about, and is ready while it
// holds.
func (a *admin) own(r *adsum.Registration) {
	if a != nil {
		a.require(adsumhttp.Registered(r))
		a.telemetry.Registration(r)
	}
}

// checker reports the checks of a command. What they say is in the
// registration's status.
func (a *admin) checker(c *health.Checker) {
	if a != nil {
		a.telemetry.Checker(c)
	}
}

// observer is told of calls.
func (a *admin) observer() lb.ClientObserver {
	if a == nil {
		return nil
	}
	return a.telemetry
}

func (a *admin) close() {
	if a == nil {
		return
	}
	a.server.Close()
	a.served.Wait()
	// Nothing is exported at the end, so that nothing can fail.
	_ = a.telemetry.Close()
	_ = a.provider.Shutdown(context.Background())
}
