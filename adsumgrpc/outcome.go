package adsumgrpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/lb"
)

// outcome tells the policy how a call ended.
func outcome(ctx context.Context, done balancer.DoneInfo, allowed time.Duration) lb.Outcome {
	return lb.Outcome{Result: result(ctx, done), Deadline: allowed}
}

// result says how far the endpoint is to blame. It is for what tells that the
// server, not the request, is in trouble. Unknown is not among it: it is what
// becomes of any plain error that a handler returns.
func result(ctx context.Context, done balancer.DoneInfo) lb.Result {
	if done.Err == nil {
		if done.BytesReceived {
			return lb.Success
		}
		return lb.Ignored // gRPC found the connection gone, and picks again
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return lb.Ignored
	}
	switch status.Code(done.Err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Internal, codes.DataLoss:
		return lb.Failure
	case codes.Canceled:
		return lb.Ignored
	default:
		return lb.Success
	}
}

// verdict says whether a failed call may be sent again. Unavailable does not
// tell whether the request reached the server; gRPC itself sends again what
// certainly did not.
func verdict(call *lb.Call, err error) lb.Verdict {
	if call.Endpoint() == nil {
		return lb.Verdict{} // nobody to call: another try finds nobody either
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return lb.Verdict{Safety: lb.IfIdempotent}
	default:
		return lb.Verdict{}
	}
}
