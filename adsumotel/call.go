package adsumotel

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/semconv/v1.43.0/rpcconv"
	"go.opentelemetry.io/otel/trace"

	"github.com/adsum-go/adsum/lb"
)

// CallEnded measures a call, and tells the caller's span of it.
func (t *Telemetry) CallEnded(ctx context.Context, call lb.Ended) {
	if t.calls != nil {
		t.calls.record(ctx, call)
	}
	describe(trace.SpanFromContext(ctx), call)
}

// describe says on the span of whoever called where the call went. After several
// calls within one span, it is the last one's.
func describe(span trace.Span, call lb.Ended) {
	if !span.IsRecording() {
		return
	}
	attrs := []attribute.KeyValue{
		semconv.ServicePeerName(call.Service),
		attribute.Int("adsum.tries", call.Tries),
		attribute.Bool("adsum.hedged", call.Hedged),
	}
	if call.Endpoint != nil {
		attrs = append(attrs, attrInstance.String(call.Endpoint.ID()), attribute.String("adsum.address", call.Endpoint.Addr()))
	}
	span.SetAttributes(attrs...)
}

// calls measures how long calls take.
type calls struct {
	instances bool
	rpc       rpcconv.ClientCallDuration
	http      httpconv.ClientRequestDuration
	other     metric.Float64Histogram
}

func newCalls(meter metric.Meter, instances bool) (*calls, error) {
	c := &calls{instances: instances}
	var err1, err2, err3 error
	c.rpc, err1 = rpcconv.NewClientCallDuration(meter)
	c.http, err2 = httpconv.NewClientRequestDuration(meter)
	c.other, err3 = meter.Float64Histogram("adsum.client.call.duration",
		metric.WithUnit("s"),
		metric.WithDescription("Duration of calls over a transport that has no semantic convention, such as go-kit's endpoints."),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
	return c, errors.Join(err1, err2, err3)
}

func (c *calls) record(ctx context.Context, call lb.Ended) {
	attrs := make([]attribute.KeyValue, 0, 6)
	attrs = append(attrs, semconv.ServicePeerName(call.Service))
	if c.instances && call.Endpoint != nil {
		attrs = append(attrs, attrInstance.String(call.Endpoint.ID()))
	}
	seconds := call.Latency.Seconds()
	switch call.Transport {
	case "grpc":
		c.rpc.Record(ctx, seconds, rpcconv.SystemNameGRPC, append(attrs, grpcAttributes(call)...)...)
	case "http":
		c.http.Record(ctx, seconds, httpMethod(call.Method), call.Service, 80, append(attrs, httpAttributes(call)...)...)
	case "https":
		c.http.Record(ctx, seconds, httpMethod(call.Method), call.Service, 443, append(attrs, httpAttributes(call)...)...)
	default:
		attrs = append(attrs, attrTransport.String(call.Transport))
		if call.Err != nil {
			attrs = append(attrs, semconv.ErrorTypeKey.String(errorType(call.Err)))
		}
		c.other.Record(ctx, seconds, metric.WithAttributes(attrs...))
	}
}

func grpcAttributes(call lb.Ended) []attribute.KeyValue {
	code := codeName(call.Code)
	attrs := []attribute.KeyValue{
		semconv.RPCMethod(strings.TrimPrefix(call.Method, "/")),
		semconv.RPCResponseStatusCode(code),
		semconv.ServerAddress(call.Service),
	}
	if call.Err != nil {
		attrs = append(attrs, semconv.ErrorTypeKey.String(code))
	}
	return attrs
}

// codeNames are gRPC's status codes by their numbers.
var codeNames = [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

func codeName(code int) string {
	if code < 0 || code >= len(codeNames) {
		return strconv.Itoa(code)
	}
	return codeNames[code]
}

func httpAttributes(call lb.Ended) []attribute.KeyValue {
	var attrs []attribute.KeyValue
	if call.Code != 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(call.Code))
	}
	switch {
	case call.Err != nil:
		attrs = append(attrs, semconv.ErrorTypeKey.String(errorType(call.Err)))
	case call.Code >= 400:
		attrs = append(attrs, semconv.ErrorTypeKey.String(strconv.Itoa(call.Code)))
	}
	return attrs
}

// httpMethod keeps methods that nobody knows from making series.
func httpMethod(method string) httpconv.RequestMethodAttr {
	switch method {
	case "":
		return http.MethodGet
	case http.MethodConnect, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions,
		http.MethodPatch, http.MethodPost, http.MethodPut, http.MethodTrace:
		return httpconv.RequestMethodAttr(method)
	default:
		return httpconv.RequestMethodOther
	}
}

// errorType puts errors into a few classes.
func errorType(err error) string {
	switch {
	case errors.Is(err, lb.ErrNoEndpoint):
		return "no_endpoint"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	default:
		return "_OTHER"
	}
}
