package adsumgrpc_test

import (
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/lb"
)

// hedgeAfter is when a second try is sent. By then the first has chosen its copy,
// on a busy machine too: only a second one that knows it goes elsewhere.
const hedgeAfter = 500 * time.Millisecond

// hasty is a hedge that takes calls of Look for answered by then.
func hasty() *lb.Hedge {
	h := &lb.Hedge{Budget: &lb.Budget{Ratio: 10}}
	look := h.For(echopb.Echo_Look_FullMethodName, nil)
	for range 100 {
		look.Observe(hedgeAfter)
	}
	return h
}

func TestWhatACallLeavesBehindIsOfTheCopyThatAnswered(t *testing.T) {
	f := newFleet(t)
	copies := f.start(2)
	hedge := hasty()
	_, client := f.client(adsumgrpc.WithPolicy(always(copies[0].name)), adsumgrpc.WithHedge(hedge))
	copies[0].set(func(c *copy) { c.hold = make(chan struct{}) })
	copies[1].set(func(c *copy) {
		c.fail, c.trailer = status.Error(codes.NotFound, "no such thing"), metadata.Pairs("from", c.name)
	})
	var in adsum.Instance
	var from peer.Peer
	var header, trailer metadata.MD
	opts := []grpc.CallOption{adsumgrpc.Answered(&in), grpc.Peer(&from), grpc.Header(&header), grpc.Trailer(&trailer)}
	_, err := client.Look(soon(t), &echopb.Request{}, opts...)
	wantCode(t, err, codes.NotFound)
	name := copies[1].name
	if in.Addr != name || from.Addr == nil || from.Addr.String() != name || len(trailer.Get("from")) != 1 || trailer.Get("from")[0] != name {
		t.Errorf("of %s: instance %v, peer %v, trailer %v", name, in.Addr, from, trailer)
	}
	copies[1].set(func(c *copy) { c.fail = nil })
	reply, err := client.Look(soon(t), &echopb.Request{Text: "hello"}, opts...)
	if err != nil || reply.GetServer() != name || reply.GetText() != "hello" || len(header) == 0 {
		t.Errorf("reply %v, header %v, %v", reply, header, err)
	}
	if s := hedge.Stats(); s.Sent != 2 || s.Won != 2 {
		t.Errorf("%+v", s)
	}
}

func TestACallThatWaitsForCopiesIsNotHeldUpByItsSecondTry(t *testing.T) {
	f := newFleet(t)
	copies := f.start(1)
	hedge := hasty()
	_, client := f.client(adsumgrpc.WithHedge(hedge))
	hold := make(chan struct{})
	copies[0].set(func(c *copy) { c.hold = hold })
	timer := time.AfterFunc(2*hedgeAfter, func() { close(hold) })
	defer timer.Stop()
	if _, err := client.Look(soon(t), &echopb.Request{}, grpc.WaitForReady(true)); err != nil {
		t.Error(err)
	}
	if n := copies[0].answered(); n != 1 || hedge.Stats().Sent != 0 {
		t.Errorf("one copy was called %d times; %+v", n, hedge.Stats())
	}
}

func TestMethodsAreHedgedByTheirOwnLatencies(t *testing.T) {
	f := newFleet(t)
	copies := f.start(2)
	hedge := hasty() // which knows nothing of Put
	_, client := f.client(adsumgrpc.WithHedge(hedge))
	for _, c := range copies {
		hold := make(chan struct{})
		c.set(func(c *copy) { c.hold = hold })
		timer := time.AfterFunc(2*hedgeAfter, func() { close(hold) })
		defer timer.Stop()
	}
	if _, err := client.Put(soon(t), &echopb.Request{}); err != nil {
		t.Error(err)
	}
	if s := hedge.Stats(); s != (lb.HedgeStats{}) {
		t.Errorf("%+v", s)
	}
}
