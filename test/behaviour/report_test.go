package behaviour_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/adsum-go/adsum/adsumotel"
	"github.com/adsum-go/adsum/lb"
)

// durations are what each transport's calls are measured by.
var durations = map[string]string{
	"gRPC": "rpc.client.call.duration", "HTTP": "http.client.request.duration", "go-kit": "adsum.client.call.duration",
}

// reported is what a reader finds, by the name of the metric, for one transport:
// sums of all values, and of histograms how many there are.
func reported(t *testing.T, reader *metric.ManualReader, transport string) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[float64]:
				for _, p := range data.DataPoints {
					if of, _ := p.Attributes.Value("adsum.transport"); strings.EqualFold(of.AsString(), transport) {
						values[m.Name] += p.Value
					}
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					values[m.Name] += float64(p.Count)
				}
			}
		}
	}
	return values
}

func TestEveryTransportReportsItsCallsAlike(t *testing.T) {
	reader := metric.NewManualReader()
	telemetry, err := adsumotel.New(adsumotel.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))))
	if err != nil {
		t.Fatal(err)
	}
	defer telemetry.Close()
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")

	everywhereBy(t, manner{policy: lb.RoundRobin, observer: telemetry}, 2, func(s *scene) {
		before := reported(s.T, reader, s.transport.name)
		s.copies[0].behave(answers(unavailable))
		const calls = 4
		for range calls {
			ctx, span := tracer.Start(s.Context(), "caller")
			addr, err := s.call(ctx, true)
			if err != nil {
				s.Fatal(err)
			}
			span.End()
			ended := spans.Ended()
			attrs := attribute.NewSet(ended[len(ended)-1].Attributes()...)
			if at, _ := attrs.Value("adsum.address"); at.AsString() != addr {
				s.Errorf("answered by %s, the span says %s", addr, attrs.Encoded(attribute.DefaultEncoder()))
			}
			if peer, _ := attrs.Value("service.peer.name"); peer.AsString() != "book" {
				s.Errorf("the span says %s", attrs.Encoded(attribute.DefaultEncoder()))
			}
		}
		tries := float64(s.tries())
		after := reported(s.T, reader, s.transport.name)
		for name, want := range map[string]float64{
			durations[s.transport.name]: calls,
			"adsum.client.calls":        calls,
			"adsum.client.picks":        tries,
			"adsum.client.retries":      tries - calls,
			"adsum.client.failures":     0,
			"adsum.client.no_endpoint":  0,
		} {
			if got := after[name] - before[name]; got != want {
				s.Errorf("%s rose by %v, want %v", name, got, want)
			}
		}
		if tries == calls {
			s.Error("no call was tried again: nothing was shown")
		}
		s.copies[1].behave(answers(unavailable))
		late, cancel := context.WithTimeout(s.Context(), 5*time.Second)
		defer cancel()
		if _, err := s.call(late, false); err == nil {
			s.Fatal("a call that is not safe to send again was answered")
		}
		if failed := reported(s.T, reader, s.transport.name)["adsum.client.failures"] - after["adsum.client.failures"]; failed != 1 {
			s.Errorf("%v calls failed, want 1", failed)
		}
	})
}
