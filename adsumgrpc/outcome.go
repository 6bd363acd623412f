package adsumgrpc

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/lb"
)

// outcome tells the policy how a call ended.
func outcome(ctx context.Context, done balancer.DoneInfo, allowed time.Duration) lb.Outcome {
	return lb.Outcome{Result: result(ctx, done), Deadline: allowed, Load: loadOf(done.Trailer)}
}

// result says how far the endpoint is to blame.
func result(ctx context.Context, done balancer.DoneInfo) lb.Result {
	if done.Err == nil {
		if done.BytesReceived {
			return lb.Success
		}
		return lb.Ignored // gRPC found the connection gone, and picks again
	}
	return Result(ctx, done.Err)
}

// Result says how far a server is to blame for the error that a call ended
// with, ctx being the caller's. It is for what tells that the server, not the
// request, is in trouble. Unknown is not among it: it is what becomes of any
// plain error that a handler returns.
//
// This package judges its own calls by it; it is exported for calls over gRPC
// that another one balances, such as adsumkit.
func Result(ctx context.Context, err error) lb.Result {
	if errors.Is(ctx.Err(), context.Canceled) {
		return lb.ResultOf(ctx, err)
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Internal, codes.DataLoss:
		return lb.Failure
	case codes.Canceled:
		return lb.Ignored
	default:
		return lb.Success
	}
}

// Verdict says whether a call that failed with err may be sent again. It is
// exported for the same reason as [Result].
//
// Unavailable does not tell whether the request reached the server; gRPC
// itself sends again what certainly did not. Where it says that there was no
// connection, another try is free: a copy that was killed is left as soon by
// calls over connections of the program's own as by those of this package.
func Verdict(err error) lb.Verdict {
	switch status.Code(err) {
	case codes.Unavailable:
		return lb.Verdict{Safety: lb.IfIdempotent, Free: unconnected(err)}
	case codes.DeadlineExceeded:
		return lb.Verdict{Safety: lb.IfIdempotent}
	default:
		return lb.Verdict{}
	}
}

// unconnected reports whether err is what gRPC fails a call with for which it
// could not connect. There is nothing but its text to tell by. A server that
// passes on the error of a server behind it says the same, so that is no proof
// that the request never left.
func unconnected(err error) bool {
	text := status.Convert(err).Message()
	for _, cause := range []string{"Error while dialing", "authentication handshake failed"} {
		if strings.HasPrefix(text, `connection error: desc = "transport: `+cause) {
			return true
		}
	}
	return false
}
