package adsumgrpc_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/lb"
	serverload "github.com/adsum-go/adsum/load"
)

// loads is a policy that hands on what servers tell, and asks the first endpoint
// with every call if it is told to.
type loads struct {
	told   chan lb.Load
	probes bool
	asked  *atomic.Int32 // how often that was possible
}

func newLoads(probes bool) loads { return loads{make(chan lb.Load, 100), probes, new(atomic.Int32)} }

func (loads) Name() string      { return "loads" }
func (loads) Needs() lb.Signals { return lb.Loads }
func (p loads) Build(env *lb.Env, eps []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return &loadsPicker{p, env, eps[0]}
}

type loadsPicker struct {
	loads
	env *lb.Env
	ep  *lb.Endpoint
}

func (p *loadsPicker) Pick(*lb.Call) *lb.Endpoint {
	if p.probes && p.env.Probe(p.ep) {
		p.asked.Add(1)
	}
	return p.ep
}

func (p *loadsPicker) Done(*lb.Endpoint, lb.Outcome) {}

func (p *loadsPicker) Loaded(_ *lb.Endpoint, load lb.Load) {
	select {
	case p.told <- load:
	default:
	}
}

// telling starts a copy that tells its load.
func (f *fleet) telling(meter *serverload.Meter, admission *serverload.Admission) *copy {
	return f.startOn("127.0.0.1:0", adsumgrpc.LoadOptions(meter, admission))
}

func TestTheLoadOfAServerReachesThePolicyWithEveryAnswer(t *testing.T) {
	f := newFleet(t)
	c := f.telling(&serverload.Meter{Utilization: func() float64 { return 0.5 }}, nil)
	policy := newLoads(false)
	_, client := f.client(adsumgrpc.WithPolicy(policy))
	look(t, client)
	if l := <-policy.told; !l.Known || l.InFlight != 0 || l.Utilization != 0.5 || l.Service <= 0 {
		t.Errorf("told with an answer: %+v", l)
	}

	<-c.arrived
	hold := make(chan struct{})
	c.set(func(c *copy) { c.hold = hold })
	held := make(chan error, 1)
	go func() {
		_, err := client.Look(soon(t), &echopb.Request{})
		held <- err
	}()
	<-c.arrived
	c.set(func(c *copy) { c.hold, c.fail = nil, status.Error(codes.NotFound, "no such thing") })
	if _, err := client.Put(soon(t), &echopb.Request{}); status.Code(err) != codes.NotFound {
		t.Fatal(err)
	}
	if l := <-policy.told; !l.Known || l.InFlight != 1 {
		t.Errorf("told with an error, while another call is under way: %+v", l)
	}
	c.set(func(c *copy) { c.fail = nil })
	close(hold)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	<-policy.told

	stream, err := client.List(soon(t), &echopb.Request{Times: 2})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = stream.Recv()
	}
	if l := <-policy.told; err != io.EOF || !l.Known {
		t.Errorf("told at the end of a stream: %+v, %v", l, err)
	}
}

func TestServersAnswerProbes(t *testing.T) {
	f := newFleet(t)
	meter := &serverload.Meter{}
	srv := grpc.NewServer()
	adsumgrpc.RegisterLoad(srv, meter)
	c := f.serving(srv)
	under := meter.Begin()
	policy := newLoads(true)
	_, client := f.client(adsumgrpc.WithPolicy(policy))
	look(t, client)
	if l := <-policy.told; !l.Known || l.InFlight != 1 {
		t.Errorf("told when asked: %+v", l)
	}
	under.Done(true)
	if n := c.answered(); n != 1 {
		t.Errorf("%d calls arrived, want 1", n)
	}
}

func TestAServerThatAnswersNoProbesIsNotAskedAgain(t *testing.T) {
	f := newFleet(t)
	f.start(1)
	policy := newLoads(true)
	_, client := f.client(adsumgrpc.WithPolicy(policy))
	look(t, client)
	for ctx := soon(t); ; {
		before := policy.asked.Load()
		look(t, client)
		if policy.asked.Load() == before {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("asked %d times", before)
		}
	}
}

func TestAnOverloadedServerRefusesAndClientsGoElsewhere(t *testing.T) {
	f := newFleet(t)
	admission := &serverload.Admission{Limit: 1, RetryAfter: 20 * time.Millisecond}
	meter := &serverload.Meter{}
	busy := f.startOn("127.0.0.1:0", adsumgrpc.LoadOptions(meter, admission))
	conn, client := f.client()
	hold := make(chan struct{})
	busy.set(func(c *copy) { c.hold = hold })
	held := make(chan error, 1)
	go func() {
		_, err := client.Put(soon(t), &echopb.Request{})
		held <- err
	}()
	<-busy.arrived
	var trailer metadata.MD
	_, err := client.Put(soon(t), &echopb.Request{}, grpc.Trailer(&trailer))
	if status.Code(err) != codes.ResourceExhausted || len(trailer.Get("grpc-retry-pushback-ms")) != 1 || trailer.Get("grpc-retry-pushback-ms")[0] != "20" {
		t.Errorf("%v, trailer %v", err, trailer)
	}
	if len(trailer.Get(serverload.TrailerKey)) != 1 {
		t.Error("a refusal does not tell the load")
	}
	stream, err := client.Talk(soon(t))
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a stream: %v", err)
	}
	if _, err := healthpb.NewHealthClient(conn).Check(soon(t), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("a health check: %v", err)
	}
	other := f.start(1)[0]
	if err := adsumgrpc.WaitConnected(soon(t), conn); err != nil {
		t.Fatal(err)
	}
	for other.answered() == 0 { // until the directory has seen it
		if _, err := client.Look(soon(t), &echopb.Request{}); err != nil && other.answered() > 0 {
			t.Fatal(err)
		}
	}
	for range 4 {
		if got := look(t, client); got != other.name {
			t.Errorf("answered by %s, want the copy that is not busy", got)
		}
	}
	close(hold)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if admission.InFlight() != 0 || meter.Report().InFlight != 0 {
		t.Errorf("%d under way, %d reported", admission.InFlight(), meter.Report().InFlight)
	}
}

func TestACallThatPanicsLeaves(t *testing.T) {
	f := newFleet(t)
	admission := &serverload.Admission{Limit: 1}
	recovering := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (_ any, err error) {
		defer func() {
			if recover() != nil {
				err = status.Error(codes.Internal, "panicked")
			}
		}()
		return handle(ctx, req)
	}
	panicking := func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
		panic(errors.New("broken"))
	}
	opts := append([]grpc.ServerOption{grpc.ChainUnaryInterceptor(recovering)}, adsumgrpc.LoadOptions(nil, admission)...)
	f.startOn("127.0.0.1:0", append(opts, grpc.ChainUnaryInterceptor(panicking)))
	_, client := f.client()
	for range 3 {
		if _, err := client.Put(soon(t), &echopb.Request{}); status.Code(err) != codes.Internal {
			t.Errorf("%v", err)
		}
	}
	if admission.InFlight() != 0 {
		t.Errorf("%d calls under way", admission.InFlight())
	}
}

// probed is a copy that tells its load, and how often it was asked for it.
type probed struct {
	*copy
	meter  *serverload.Meter
	probes atomic.Int32
}

func (f *fleet) probed() *probed {
	p := &probed{meter: &serverload.Meter{}}
	srv := grpc.NewServer(append(adsumgrpc.LoadOptions(p.meter, nil), grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			if info.FullMethod == "/adsum.load.v1.Load/Probe" {
				p.probes.Add(1)
			}
			return handle(ctx, req)
		}))...)
	adsumgrpc.RegisterLoad(srv, p.meter)
	p.copy = f.serving(srv)
	return p
}

func TestCopiesThatAreConnectedAreAskedOnceAPolicyWantsThat(t *testing.T) {
	f := newFleet(t)
	copies := []*probed{f.probed(), f.probed()}
	live, err := lb.NewLive(lb.Config{Policy: lb.RoundRobin.Name()})
	if err != nil {
		t.Fatal(err)
	}
	_, client := f.client(adsumgrpc.WithConfig(live))
	look(t, client)
	for _, policy := range []lb.Policy{lb.Prequal, lb.RoundRobin, lb.Prequal} {
		if err := live.Set(lb.Config{Policy: policy.Name()}); err != nil {
			t.Fatal(err)
		}
		for _, c := range copies {
			before := c.probes.Load()
			for ctx := soon(t); policy == lb.Prequal && c.probes.Load() == before; {
				if ctx.Err() != nil {
					t.Fatal("not every copy was asked for its load")
				}
				look(t, client)
			}
		}
	}
}

// A slow copy is one whose calls do not end, and which has others of other callers:
// it tells so only when it is asked, since it answers nothing.
func TestPrequalAsksASlowCopyAndSendsItNearlyNothing(t *testing.T) {
	f := newFleet(t)
	// What few endpoints told is used up faster than it is heard.
	copies := make([]*probed, 12)
	for i := range copies {
		copies[i] = f.probed()
	}
	_, client := f.client(adsumgrpc.WithPolicy(lb.Prequal))
	for _, c := range copies {
		for ctx := soon(t); c.probes.Load() == 0; {
			if ctx.Err() != nil {
				t.Fatal("not every copy was asked for its load")
			}
			look(t, client)
		}
	}

	slow, hold := copies[0], make(chan struct{})
	var held sync.WaitGroup
	defer held.Wait()
	defer close(hold)
	for range 20 {
		defer slow.meter.Begin().Done(true)
	}
	select {
	case <-slow.arrived:
	default:
	}
	slow.set(func(c *copy) { c.hold = hold })
	before, asked := slow.answered(), slow.probes.Load()
	const calls = 400
	for range calls {
		ended := make(chan error, 1)
		held.Go(func() {
			_, err := client.Put(soon(t), &echopb.Request{})
			ended <- err
		})
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
		case <-slow.arrived: // and stays there
		}
	}
	if slow.probes.Load() == asked {
		t.Error("the slow copy was not asked for its load any more")
	}
	if n := slow.answered() - before; n > calls/40 {
		t.Errorf("%d of %d calls went to the slow one of %d copies", n, calls, len(copies))
	}
}
