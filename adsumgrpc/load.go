package adsumgrpc

import (
	"context"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/load"
)

// LoadOptions are the options of a server that tells its load and refuses what
// is too much for it. Either may be nil. The meter's report goes into the
// trailers of every call as ORCA (endpoint-load-metrics-bin), where the policies
// lb.C3 and lb.Prequal find it, and weighted_round_robin of gRPC itself.
//
// A unary call that the admission refuses ends with ResourceExhausted and asks
// the caller by grpc-retry-pushback-ms to come back later. Of a stream it is
// asked only when it begins. Calls of the health service, of server reflection
// and of [RegisterLoad] are neither counted nor refused.
//
// An admission without a meter gets this one. Do not combine these options with
// orca.CallMetricsServerOption: clients take two reports for none.
func LoadOptions(meter *load.Meter, admission *load.Admission) []grpc.ServerOption {
	if admission != nil {
		if admission.Meter == nil {
			admission.Meter = meter
		}
		meter = admission.Meter
	}
	g := &gate{meter, admission}
	return []grpc.ServerOption{grpc.ChainUnaryInterceptor(g.unary), grpc.ChainStreamInterceptor(g.stream)}
}

// gate is what calls to a server pass.
type gate struct {
	meter     *load.Meter
	admission *load.Admission
}

// passes reports whether calls of the method are let through without a look.
func passes(method string) bool {
	return strings.HasPrefix(method, "/grpc.health.v1.") || strings.HasPrefix(method, "/grpc.reflection.") || method == probeMethod
}

func (g *gate) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
	if passes(info.FullMethod) {
		return handle(ctx, req)
	}
	leave, err := g.enter(ctx)
	if err != nil {
		return nil, g.refuse(ctx, err)
	}
	returned := false
	defer func() { // also when it panics
		leave(returned && Result(ctx, err) == lb.Success)
		g.tell(ctx)
	}()
	resp, err = handle(ctx, req)
	returned = true
	return resp, err
}

func (g *gate) enter(ctx context.Context) (leave func(well bool), err error) {
	switch {
	case g.admission != nil:
		ticket, err := g.admission.Enter(ctx)
		return func(well bool) { ticket.Leave(well, ctx.Err() != nil) }, err
	case g.meter != nil:
		return g.meter.Begin().Done, nil
	default:
		return func(bool) {}, nil
	}
}

func (g *gate) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	if passes(info.FullMethod) {
		return handle(srv, stream)
	}
	if g.admission != nil {
		if err := g.admission.Ask(); err != nil {
			return g.refuse(stream.Context(), err)
		}
	}
	defer g.tell(stream.Context())
	return handle(srv, stream)
}

// refuse is the answer to a call that was not let in.
func (g *gate) refuse(ctx context.Context, err error) error {
	refused, ok := err.(*load.RefusedError)
	if !ok { // the caller gave up
		return status.FromContextError(err).Err()
	}
	g.tell(ctx)
	// It fails only when there is no call to answer.
	_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", strconv.FormatInt(refused.RetryAfter.Milliseconds(), 10)))
	return status.Error(codes.ResourceExhausted, err.Error())
}

// tell puts the report into the trailers.
func (g *gate) tell(ctx context.Context) {
	if g.meter != nil {
		tell(ctx, g.meter)
	}
}

func tell(ctx context.Context, meter *load.Meter) {
	report := meter.Report()
	// It fails only when there is no call to answer.
	_ = grpc.SetTrailer(ctx, metadata.Pairs(load.TrailerKey, string(report.AppendBinary(make([]byte, 0, 160)))))
}

// loadOf reads the report from the trailers of a call.
func loadOf(trailer metadata.MD) lb.Load { return load.OfTrailer(trailer[load.TrailerKey]) }

const (
	probeService = "adsum.load.v1.Load"
	probeMethod  = "/" + probeService + "/Probe"
)

// RegisterLoad adds the service that answers clients which ask for the server's
// load without calling it, as those with the policy lb.Prequal do. It needs the
// meter of [LoadOptions].
func RegisterLoad(srv grpc.ServiceRegistrar, meter *load.Meter) {
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: probeService,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Probe", Handler: answerProbe}},
	}, meter)
}

// answerProbe answers with nothing, and the report in the trailers, where that
// of every call is.
func answerProbe(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	in := &emptypb.Empty{}
	if err := decode(in); err != nil {
		return nil, err
	}
	answer := func(ctx context.Context, _ any) (any, error) {
		tell(ctx, srv.(*load.Meter))
		return in, nil
	}
	if interceptor == nil {
		return answer(ctx, in)
	}
	return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: srv, FullMethod: probeMethod}, answer)
}
