package adsumgrpc_test

import (
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/lb"
)

// listening is a policy that passes on how long calls took.
type listening chan time.Duration

func (listening) Name() string      { return "listening" }
func (listening) Needs() lb.Signals { return lb.Latency }

func (l listening) Build(_ *lb.Env, endpoints []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return &listener{l, endpoints}
}

type listener struct {
	latencies listening
	endpoints []*lb.Endpoint
}

func (p *listener) Pick(*lb.Call) *lb.Endpoint              { return p.endpoints[0] }
func (p *listener) Done(_ *lb.Endpoint, outcome lb.Outcome) { p.latencies <- outcome.Latency }

func TestAStreamTakesAsLongAsItsFirstMessage(t *testing.T) {
	f := newFleet(t)
	f.start(1)
	latencies := make(listening, 10)
	_, client := f.client(adsumgrpc.WithPolicy(latencies))

	began := time.Now()
	stream, err := client.List(soon(t), &echopb.Request{Times: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	first := time.Since(began)
	for time.Since(began) < 2*first { // the caller takes its time with the rest
		time.Sleep(time.Millisecond)
	}
	if _, err := drainStream(stream); err != nil {
		t.Fatal(err)
	}
	if latency := <-latencies; latency <= 0 || latency > first {
		t.Errorf("the stream counts as having taken %v, and its first message came after %v", latency, first)
	}

	if _, err := client.Look(soon(t), &echopb.Request{}); err != nil {
		t.Fatal(err)
	}
	if latency := <-latencies; latency <= 0 {
		t.Errorf("a call that is no stream counts as having taken %v", latency)
	}

	talk, err := client.Talk(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := talk.Send(&echopb.Request{}); err != nil {
		t.Fatal(err)
	}
	if _, err := talk.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := talk.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := talk.Recv(); err == nil {
		t.Fatal("no end")
	}
	if latency := <-latencies; latency != 0 {
		t.Errorf("a conversation counts as having taken %v, and depends on both", latency)
	}
}
