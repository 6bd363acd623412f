package adsumgrpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// Answered is a call option that tells which copy a call went to, the last
// one if there were several tries. in is set when a unary call ends, or a
// stream begins, and stays as it was if nobody could be called.
func Answered(in *adsum.Instance) grpc.CallOption { return answered{in: in} }

type answered struct {
	grpc.EmptyCallOption
	in *adsum.Instance
}

// report fills in what was asked for by [Answered].
func (c *call) report(opts []grpc.CallOption) {
	for _, opt := range opts {
		if a, ok := opt.(answered); ok && c.Endpoint() != nil {
			*a.in = *c.Endpoint().Instance()
		}
	}
}

// Pin returns a context whose calls go to one copy of each service: the one
// that the first call was sent to, while it is there and does not fail the
// call at hand; then another, to which later calls keep. It is [lb.Pin], and
// works for every transport.
func Pin(ctx context.Context) context.Context { return lb.Pin(ctx) }
