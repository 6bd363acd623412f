package adsumkit

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/load"
)

// LoadFromHTTP reads what a server tells of its load in the headers of its answer
// (as adsumhttp.LoadHandler and Envoy do), for policies that go by it, such as
// lb.C3. Factories give it to go-kit's HTTP clients:
//
//	kithttp.NewClient(method, target, encode, decode, kithttp.ClientAfter(adsumkit.LoadFromHTTP))
//
// It returns ctx. See [TellLoad].
func LoadFromHTTP(ctx context.Context, resp *http.Response) context.Context {
	TellLoad(ctx, load.OfHeader(resp.Header[load.Header]))
	return ctx
}

// LoadFromGRPC does so with the trailers of a call (ORCA, as adsumgrpc.LoadOptions
// and gRPC's own servers send it). Factories give it to go-kit's gRPC clients:
//
//	kitgrpc.NewClient(conn, service, method, encode, decode, reply, kitgrpc.ClientAfter(adsumkit.LoadFromGRPC))
//
// Go-kit hands on no trailers of a call that failed. MD is gRPC's metadata.MD,
// which this package has no need to import.
func LoadFromGRPC[MD ~map[string][]string](ctx context.Context, _, trailer MD) context.Context {
	TellLoad(ctx, load.OfTrailer(trailer[load.TrailerKey]))
	return ctx
}

// TellLoad tells the balancer what the server that is called with ctx, or with a
// context made from it, said of its load; of several times during one try, the
// last one counts. It is for transports other than HTTP and gRPC. It does
// nothing if the load is not known, once the try is over, and where nobody wants
// to know: in a call that comes through no [Balancer], or one whose policy does
// not go by loads. It does not block and is safe for concurrent use.
//
// There are no probes over go-kit: policies that ask, such as lb.Prequal, do with
// the loads that come with answers.
func TellLoad(ctx context.Context, l lb.Load) {
	if told, ok := ctx.Value(toldKey{}).(*told); ok && l.Known {
		told.load.Store(&l)
	}
}

// told is where one try leaves what it is told of its server's load.
type told struct{ load atomic.Pointer[lb.Load] }

type toldKey struct{}

// listening returns a context for a try in which TellLoad finds t.
func (t *told) listening(ctx context.Context) context.Context {
	return context.WithValue(ctx, toldKey{}, t)
}

// last is what was told last. t may be nil.
func (t *told) last() lb.Load {
	if t == nil {
		return lb.Load{}
	}
	if l := t.load.Load(); l != nil {
		return *l
	}
	return lb.Load{}
}
