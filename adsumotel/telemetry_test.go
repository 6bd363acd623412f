package adsumotel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/adsumotel"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/health"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/memory"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

var quiet = adsum.WithLogger(slog.New(slog.DiscardHandler))

// report is a Telemetry with what it reports.
type report struct {
	*adsumotel.Telemetry
	t      testing.TB
	reader *metric.ManualReader
}

func newReport(t testing.TB, opts ...adsumotel.Option) *report {
	t.Helper()
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	telemetry, err := adsumotel.New(append(opts, adsumotel.WithMeterProvider(provider))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(telemetry.Close(), provider.Shutdown(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return &report{telemetry, t, reader}
}

// collect returns what is reported now: "name{attributes} unit" and its value, for
// histograms the number of measurements.
func (r *report) collect() map[string]float64 {
	r.t.Helper()
	var all metricdata.ResourceMetrics
	if err := r.reader.Collect(context.Background(), &all); err != nil {
		r.t.Fatal(err)
	}
	values := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			add := func(attrs attribute.Set, value float64) {
				values[m.Name+"{"+attrs.Encoded(attribute.DefaultEncoder())+"} "+m.Unit] = value
			}
			switch data := m.Data.(type) {
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Sum[float64]:
				if !data.IsMonotonic {
					r.t.Errorf("%s is no counter", m.Name)
				}
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Count))
				}
			default:
				r.t.Errorf("%s is a %T", m.Name, data)
			}
			if m.Description == "" {
				r.t.Errorf("%s has no description", m.Name)
			}
		}
	}
	return values
}

// expect fails the test unless each of the lines, "name{attributes} unit = value",
// is reported.
func (r *report) expect(lines ...string) {
	r.t.Helper()
	values := r.collect()
	for _, line := range lines {
		name, want, _ := strings.Cut(line, " = ")
		if got, ok := values[name]; !ok || fmt.Sprint(got) != want {
			r.t.Errorf("want %s, got %v, %v; all: %v", line, got, ok, values)
		}
	}
}

// lacks fails the test if anything is reported that begins with the prefix.
func (r *report) lacks(prefix string) {
	r.t.Helper()
	for name := range r.collect() {
		if strings.HasPrefix(name, prefix) {
			r.t.Errorf("%s is reported", name)
		}
	}
}

func TestADirectoryIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReport(t)
		registry := memory.New()
		dir := adsum.NewDirectory(registry, quiet)
		defer dir.Close()
		forget := r.Directory(dir)
		r.expect("adsum.directory.services{adsum.registry=memory:} {service} = 0")
		r.lacks("adsum.registry.up")
		view, err := dir.Open("book")
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		for i, status := range []adsum.Status{adsum.Passing, adsum.Passing, adsum.Critical} {
			reg, err := adsum.Register(registry, adsum.Instance{Service: "book", Addr: fmt.Sprintf("10.0.0.%d:80", i+1), Status: status}, quiet)
			if err != nil {
				t.Fatal(err)
			}
			defer reg.Close(context.Background())
		}
		registry.Server().PutBroken("book", "broken")
		time.Sleep(time.Second)
		synctest.Wait()
		const of = "{adsum.registry=memory:,adsum.service=book}"
		r.expect(
			"adsum.registry.up{adsum.registry=memory:} {registry} = 1",
			"adsum.directory.known"+of+" {service} = 1",
			"adsum.directory.stale"+of+" {service} = 0",
			"adsum.directory.instances{adsum.registry=memory:,adsum.service=book,adsum.status=passing} {instance} = 2",
			"adsum.directory.instances{adsum.registry=memory:,adsum.service=book,adsum.status=critical} {instance} = 1",
			"adsum.directory.instances{adsum.registry=memory:,adsum.service=book,adsum.status=draining} {instance} = 0",
			"adsum.directory.skipped"+of+" {entry} = 1",
			"adsum.directory.watches"+of+" {watch} = 1",
			"adsum.directory.errors"+of+" {error} = 0",
		)
		synced := r.collect()["adsum.directory.last_sync.timestamp"+of+" s"]
		if now := float64(time.Now().Unix()); synced < now-2 || synced > now {
			t.Errorf("last sync %f, now %f", synced, now)
		}
		registry.Server().Down()
		time.Sleep(time.Minute)
		synctest.Wait()
		r.expect(
			"adsum.registry.up{adsum.registry=memory:} {registry} = 0",
			"adsum.directory.stale"+of+" {service} = 1",
			"adsum.directory.instances{adsum.registry=memory:,adsum.service=book,adsum.status=passing} {instance} = 2",
		)
		if errs := r.collect()["adsum.directory.errors"+of+" {error}"]; errs < 2 {
			t.Errorf("%v errors in a minute of outage", errs)
		}
		forget()
		r.lacks("adsum.directory")
	})
}

func TestARegistrationAndItsChecksAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReport(t, adsumotel.WithInstances())
		registry := memory.New()
		reg, err := adsum.Register(registry, adsum.Instance{ID: "one", Service: "book", Addr: "10.0.0.1:80"}, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer reg.Close(context.Background())
		forget := r.Registration(reg)
		answer := errors.New("no database")
		checker, err := health.Start([]health.Check{{Name: "db", Interval: time.Second, Timeout: time.Second / 2, Jitter: -1,
			Probe: health.Func(func(context.Context) error { return answer })}}, health.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		defer checker.Close()
		defer r.Checker(checker)()
		time.Sleep(time.Second)
		synctest.Wait()
		const of = "{adsum.instance=one,adsum.registry=memory:,adsum.service=book}"
		r.expect(
			"adsum.registration.wanted"+of+" {registration} = 1",
			"adsum.registration.registered"+of+" {registration} = 1",
			"adsum.registration.superseded"+of+" {registration} = 0",
			"adsum.registration.accepted"+of+" {registration} = 1",
			"adsum.registration.lost"+of+" {loss} = 0",
			"adsum.health.status{adsum.check=db,adsum.status=starting} {check} = 1",
			"adsum.health.status{adsum.check=db,adsum.status=passing} {check} = 0",
			"adsum.health.latency{adsum.check=db} s = 0",
		)
		if values := r.collect(); values["adsum.health.failures{adsum.check=db} {failure}"] == 0 ||
			values["adsum.health.failures{adsum.check=db} {failure}"] != values["adsum.health.runs{adsum.check=db} {run}"] {
			t.Errorf("a check that always fails: %v", values)
		}
		if err := registry.Server().ExpireLease("book", "one"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		r.expect("adsum.registration.lost"+of+" {loss} = 1", "adsum.registration.accepted"+of+" {registration} = 2")
		if err := reg.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.expect("adsum.registration.wanted"+of+" {registration} = 0", "adsum.registration.registered"+of+" {registration} = 0")
		forget()
		r.expect("adsum.registration.accepted"+of+" {registration} = 2", "adsum.registration.wanted"+of+" {registration} = 0")
	})
}

// web starts copies of a service, one for each status, and a transport that r
// observes.
func (r *report) web(service string, statuses ...int) *adsumhttp.Transport {
	r.t.Helper()
	registry := memory.New()
	dir := adsum.NewDirectory(registry, quiet)
	r.t.Cleanup(func() { dir.Close() })
	for _, status := range statuses {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		r.t.Cleanup(server.Close)
		reg, err := adsum.Register(registry, adsum.Instance{Service: service, Addr: server.Listener.Addr().String()}, quiet)
		if err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { reg.Close(context.Background()) })
		if _, err := reg.Wait(r.t.Context(), func(s adsum.RegistrationState) bool { return s.Registered }); err != nil {
			r.t.Fatal(err)
		}
	}
	transport := adsumhttp.NewTransport(dir, adsumhttp.WithObserver(r), adsumhttp.WithPolicy(lb.RoundRobin))
	r.t.Cleanup(func() { transport.Close() })
	return transport
}

func call(t testing.TB, ctx context.Context, transport http.RoundTripper, method, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestCallsOverHTTPAreMeasured(t *testing.T) {
	r := newReport(t)
	transport := r.web("book", http.StatusOK, http.StatusServiceUnavailable)
	for range 2 {
		if status := call(t, t.Context(), transport, http.MethodGet, "http://book/"); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	call(t, t.Context(), transport, http.MethodPost, "http://book/")
	call(t, t.Context(), transport, http.MethodPost, "http://book/")
	call(t, t.Context(), transport, "BREW", "http://nobody/")
	values := r.collect()
	gets := values["http.client.request.duration{http.request.method=GET,http.response.status_code=200,server.address=book,server.port=80,service.peer.name=book} s"]
	posts := values["http.client.request.duration{http.request.method=POST,http.response.status_code=200,server.address=book,server.port=80,service.peer.name=book} s"]
	refused := values["http.client.request.duration{error.type=503,http.request.method=POST,http.response.status_code=503,server.address=book,server.port=80,service.peer.name=book} s"]
	if gets != 2 || posts+refused != 2 {
		t.Errorf("%v gets, %v and %v posts: %v", gets, posts, refused, values)
	}
	retries := values["adsum.client.retries{adsum.service=book,adsum.transport=http} {retry}"]
	if retries < 1 || values["adsum.client.picks{adsum.service=book,adsum.transport=http} {pick}"] != 4+retries {
		t.Errorf("%v retries: %v", retries, values)
	}
	r.expect(
		"http.client.request.duration{error.type=no_endpoint,http.request.method=_OTHER,server.address=nobody,server.port=80,service.peer.name=nobody} s = 1",
		"adsum.client.no_endpoint{adsum.service=nobody,adsum.transport=http} {call} = 1",
		"adsum.client.calls{adsum.service=book,adsum.transport=http} {call} = 4",
		"adsum.client.in_flight{adsum.service=book,adsum.transport=http} {call} = 0",
		"adsum.client.endpoints{adsum.service=book,adsum.state=eligible,adsum.transport=http} {endpoint} = 2",
		"adsum.client.endpoints{adsum.service=nobody,adsum.state=registered,adsum.transport=http} {endpoint} = 0",
		"adsum.client.panicking{adsum.service=book,adsum.transport=http} {client} = 0",
	)
	transport.Close()
	r.expect(
		"adsum.client.calls{adsum.service=book,adsum.transport=http} {call} = 4",
		"adsum.client.endpoints{adsum.service=book,adsum.state=eligible,adsum.transport=http} {endpoint} = 0",
	)
}

func TestWhatHoldsCallsBackIsTold(t *testing.T) {
	r := newReport(t)
	snapshot := &adsum.Snapshot{Service: "book", Generation: 1, Instances: []*adsum.Instance{
		{Service: "book", ID: "a", Addr: "a:1"}, {Service: "book", ID: "b", Addr: "b:1"}}}
	budget := &lb.Budget{PerSecond: 1} // 10 in ten seconds
	for range 2 {                      // clients that share the budget, of which they tell alike
		balancer := lb.New(lb.Routing{Limit: lb.Limit{Max: 1}}, lb.Options{})
		defer balancer.Close()
		balancer.Update(snapshot)
		picked, err := balancer.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer picked.Done(lb.Outcome{})
		client := lb.NewClient(lb.ClientOptions{Transport: "grpc", Service: "book", Budget: budget, Observer: r})
		defer client.Open(balancer)()
		client.End(t.Context(), client.Begin(), nil, lb.Ended{Err: lb.ErrLimited, Result: lb.Failure})
	}
	if !budget.Spend() {
		t.Fatal("a fresh budget is spent")
	}
	const of = "{adsum.service=book,adsum.transport=grpc}"
	r.expect(
		"adsum.client.budget_usage"+of+" 1 = 0.1",
		"adsum.client.limited"+of+" {call} = 2",
		"adsum.client.limit"+of+" {call} = 4",
		"adsum.client.full"+of+" {endpoint} = 2",
		"adsum.client.circuit_open"+of+" {endpoint} = 0",
		"adsum.client.hedges_won"+of+" {call} = 0",
		"adsum.client.hedges_refused"+of+" {call} = 0",
	)
	free := lb.NewClient(lb.ClientOptions{Transport: "http", Service: "book", Observer: r})
	defer free.Open(lb.New(lb.Random, lb.Options{}))()
	r.lacks("adsum.client.limit{adsum.service=book,adsum.transport=http}")
	r.lacks("adsum.client.budget_usage{adsum.service=book,adsum.transport=http}")
}

func TestCountersGoOnWhenClientsComeAndGo(t *testing.T) {
	r := newReport(t)
	client := lb.NewClient(lb.ClientOptions{Transport: "grpc", Service: "book", Observer: r})
	other := lb.NewClient(lb.ClientOptions{Transport: "grpc", Service: "book", Observer: r})
	defer other.Open(lb.New(lb.Random, lb.Options{}))()
	for n, c := range []*lb.Client{client, other, client} {
		closed := c.Open(lb.New(lb.Random, lb.Options{}))
		c.End(t.Context(), c.Begin(), nil, lb.Ended{})
		r.expect(fmt.Sprintf("adsum.client.calls{adsum.service=book,adsum.transport=grpc} {call} = %d", n+1))
		closed()
		r.expect(fmt.Sprintf("adsum.client.calls{adsum.service=book,adsum.transport=grpc} {call} = %d", n+1))
	}
}

func TestTheCallersSpanTellsWhoAnswered(t *testing.T) {
	r := newReport(t, adsumotel.WithoutCallDurations())
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	transport := r.web("book", http.StatusOK)
	ctx, span := tracer.Start(t.Context(), "caller")
	call(t, ctx, transport, http.MethodGet, "http://book/")
	span.End()
	ctx, span = tracer.Start(t.Context(), "caller")
	call(t, ctx, transport, http.MethodGet, "http://nobody/")
	span.End()
	got := func(i int) string {
		set := attribute.NewSet(spans.Ended()[i].Attributes()...)
		return set.Encoded(attribute.DefaultEncoder())
	}
	if s := got(0); !strings.HasPrefix(s, "adsum.address=127.0.0.1:") || !strings.Contains(s, ",adsum.instance=127.0.0.1:") ||
		!strings.HasSuffix(s, ",adsum.hedged=false,adsum.instance="+addressIn(s)+",adsum.tries=1,service.peer.name=book") {
		t.Errorf("a call: %s", s)
	}
	if s := got(1); s != "adsum.hedged=false,adsum.tries=1,service.peer.name=nobody" {
		t.Errorf("a call to nobody: %s", s)
	}
	r.lacks("http.")
}

func addressIn(s string) string {
	_, s, _ = strings.Cut(s, "adsum.address=")
	s, _, _ = strings.Cut(s, ",")
	return s
}

func TestCallsOfEveryTransportHaveTheirNames(t *testing.T) {
	ep := endpoint(t)
	r := newReport(t, adsumotel.WithInstances())
	for _, call := range []lb.Ended{
		{Transport: "grpc", Method: "/book.Book/Get", Code: 4, Err: context.DeadlineExceeded, Endpoint: ep},
		{Transport: "grpc", Method: "/book.Book/Get", Code: 99, Err: errors.New("odd")},
		{Transport: "grpc", Method: "/book.Book/Get", Endpoint: ep},
		{Transport: "https", Method: "", Code: 200},
		{Transport: "http", Method: "GET", Err: context.Canceled},
		{Transport: "go-kit", Err: context.DeadlineExceeded},
		{Transport: "go-kit", Endpoint: ep},
		{Transport: "go-kit", Err: errors.New("odd")},
	} {
		call.Service = "book"
		r.CallEnded(t.Context(), call)
	}
	r.expect(
		"rpc.client.call.duration{adsum.instance=one,error.type=DEADLINE_EXCEEDED,rpc.method=book.Book/Get,rpc.response.status_code=DEADLINE_EXCEEDED,rpc.system.name=grpc,server.address=book,service.peer.name=book} s = 1",
		"rpc.client.call.duration{error.type=99,rpc.method=book.Book/Get,rpc.response.status_code=99,rpc.system.name=grpc,server.address=book,service.peer.name=book} s = 1",
		"rpc.client.call.duration{adsum.instance=one,rpc.method=book.Book/Get,rpc.response.status_code=OK,rpc.system.name=grpc,server.address=book,service.peer.name=book} s = 1",
		"http.client.request.duration{http.request.method=GET,http.response.status_code=200,server.address=book,server.port=443,service.peer.name=book} s = 1",
		"http.client.request.duration{error.type=canceled,http.request.method=GET,server.address=book,server.port=80,service.peer.name=book} s = 1",
		"adsum.client.call.duration{adsum.transport=go-kit,error.type=timeout,service.peer.name=book} s = 1",
		"adsum.client.call.duration{adsum.instance=one,adsum.transport=go-kit,service.peer.name=book} s = 1",
		"adsum.client.call.duration{adsum.transport=go-kit,error.type=_OTHER,service.peer.name=book} s = 1",
	)
}

func endpoint(t *testing.T) *lb.Endpoint {
	t.Helper()
	b := lb.New(lb.Random, lb.Options{})
	in := adsum.Instance{ID: "one", Service: "book", Addr: "10.0.0.1:80"}.WithDefaults()
	b.Update(&adsum.Snapshot{Service: "book", Generation: 1, Instances: []*adsum.Instance{&in}})
	picked, err := b.Pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	return picked.Endpoint
}

func BenchmarkCallEnded(b *testing.B) {
	r := newReport(b)
	call := lb.Ended{Transport: "grpc", Service: "book", Method: "/book.Book/Get", Latency: time.Millisecond}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		r.CallEnded(ctx, call)
	}
}
