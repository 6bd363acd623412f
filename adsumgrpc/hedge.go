package adsumgrpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/adsum-go/adsum/lb"
)

// hedgeOf returns what sends the call a second time, nil if nothing does.
func (s *settings) hedgeOf(c *call, method string, reply any) *lb.Hedge {
	hedge := s.hedgeNow()
	if hedge == nil || !c.Idempotent {
		return nil
	}
	if _, ok := reply.(proto.Message); !ok {
		return nil
	}
	return hedge.For(method, s.retry.Budget)
}

// hedged is a unary call, every try of which may be two.
type hedged struct {
	hedge  *lb.Hedge
	first  *call
	reply  proto.Message
	like   protoreflect.MessageType // reply's, which may be written to
	opts   []grpc.CallOption
	invoke func(context.Context, any, []grpc.CallOption) error
}

func newHedged(hedge *lb.Hedge, c *call, reply any, opts []grpc.CallOption, invoke func(context.Context, any, []grpc.CallOption) error) *hedged {
	message := reply.(proto.Message)
	return &hedged{hedge: hedge, first: c, reply: message, like: message.ProtoReflect().Type(), opts: opts, invoke: invoke}
}

// answer is how one of them ended.
type answer struct {
	call    *call
	err     error    // of an answer that is an error
	outputs *outputs // nil if what the caller gave was filled in
}

// try makes one try.
func (h *hedged) try(ctx context.Context) error {
	a, err := lb.Hedged(ctx, h.hedge, h.first.Call, h.send, nil)
	h.first.trailer = a.call.trailer
	if err != nil {
		return err
	}
	if a.outputs != nil {
		a.outputs.hand(h.reply, h.opts)
	}
	return a.err
}

// send sends the call once. The first one fills in what the caller gave; the
// second one, which runs beside it, has its own.
func (h *hedged) send(ctx context.Context, c *lb.Call) (answer, error) {
	a := answer{call: h.first}
	reply, opts := h.reply, h.opts
	if c != h.first.Call {
		a.call = &call{Context: ctx, Call: c, beside: true}
		a.outputs = &outputs{reply: h.like.New().Interface()}
		reply, opts, ctx = a.outputs.reply, a.outputs.replace(opts), a.call
	}
	a.call.trailer = nil
	err := h.invoke(ctx, reply, opts)
	if err != nil && (a.call.Endpoint() == nil || a.call.verdict(err).Safety != lb.Never) {
		return a, err
	}
	a.err = err
	return a, nil
}

// outputs is what a call leaves behind.
type outputs struct {
	reply   proto.Message
	header  metadata.MD
	trailer metadata.MD
	peer    peer.Peer
}

// replace returns the options with those that name a place for something
// replaced by such that name o's.
func (o *outputs) replace(opts []grpc.CallOption) []grpc.CallOption {
	own := make([]grpc.CallOption, len(opts))
	for i, opt := range opts {
		switch opt.(type) {
		case grpc.HeaderCallOption:
			opt = grpc.Header(&o.header)
		case grpc.TrailerCallOption:
			opt = grpc.Trailer(&o.trailer)
		case grpc.PeerCallOption:
			opt = grpc.Peer(&o.peer)
		}
		own[i] = opt
	}
	return own
}

// hand puts everything where the caller wants it.
func (o *outputs) hand(reply proto.Message, opts []grpc.CallOption) {
	proto.Reset(reply)
	proto.Merge(reply, o.reply)
	for _, opt := range opts {
		switch place := opt.(type) {
		case grpc.HeaderCallOption:
			*place.HeaderAddr = o.header
		case grpc.TrailerCallOption:
			*place.TrailerAddr = o.trailer
		case grpc.PeerCallOption:
			*place.PeerAddr = o.peer
		}
	}
}
