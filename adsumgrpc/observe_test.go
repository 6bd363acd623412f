package adsumgrpc_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/lb"
)

// witness keeps what an observer is told.
type witness struct {
	lb.Clients
	mu    sync.Mutex
	ended []lb.Ended
}

func (w *witness) CallEnded(_ context.Context, call lb.Ended) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = append(w.ended, call)
}

// since returns the calls that ended since it was asked last, and fails the test
// unless there are n.
func (w *witness) since(t *testing.T, n int) []lb.Ended {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.ended
	w.ended = nil
	if len(calls) != n {
		t.Fatalf("%d calls ended, want %d: %+v", len(calls), n, calls)
	}
	return calls
}

func TestAnObserverIsToldOfEveryCallOnce(t *testing.T) {
	f := newFleet(t)
	bad, good := f.failing(1)[0], f.start(1)[0]
	w := &witness{}
	conn, client := f.client(adsumgrpc.WithObserver(w), adsumgrpc.WithPolicy(lb.RoundRobin))
	w.since(t, 0) // also not of the one that WaitConnected makes

	failed := 0
	for range 2 {
		_, err := client.Add(soon(t), &echopb.Request{})
		call := w.since(t, 1)[0]
		if call.Transport != "grpc" || call.Service != "echo" || call.Method != echopb.Echo_Add_FullMethodName || call.Latency <= 0 || call.Tries != 1 {
			t.Errorf("whose call it was: %+v", call)
		}
		switch call.Endpoint.Addr() {
		case bad.name:
			failed++
			if call.Err == nil || err.Error() != call.Err.Error() || call.Code != int(codes.Unavailable) || call.Result != lb.Failure {
				t.Errorf("a call that failed with %v: %+v", err, call)
			}
		case good.name:
			if err != nil || call.Err != nil || call.Code != 0 || call.Result != lb.Success {
				t.Errorf("a call that did not, %v: %+v", err, call)
			}
		}
	}
	if failed != 1 {
		t.Errorf("%d of 2 calls went to the copy that fails", failed)
	}
	retried := 0
	for range 2 {
		look(t, client)
		call := w.since(t, 1)[0]
		if call.Err != nil || call.Endpoint.Addr() != good.name {
			t.Errorf("a call that is safe to send again: %+v", call)
		}
		retried += call.Tries - 1
	}
	if retried == 0 || retried != bad.answered()-failed {
		t.Errorf("%d further tries, and %d calls that needed one", retried, bad.answered()-failed)
	}
	stats, err := adsumgrpc.Stats(soon(t), conn)
	if err != nil {
		t.Fatal(err)
	}
	want := lb.CallStats{Calls: 4, Failures: 1, Picks: uint64(4 + retried), Retries: uint64(retried)}
	if stats.Calls != want || stats.Balancer.Eligible != 2 || stats.Budget.Calls != 4 || stats.Budget.Spent != uint64(retried) {
		t.Errorf("got %+v, want %+v", stats, want)
	}
	if got := w.Stats(); len(got) != 1 || got[0].Calls != stats.Calls {
		t.Errorf("the observer sees %+v", got)
	}
	conn.Close()
	if got := w.Stats(); len(got) != 0 {
		t.Errorf("after the connection was closed: %+v", got)
	}
}

func TestACallThatFindsNobodyIsCountedAsSuch(t *testing.T) {
	f := newFleet(t)
	w := &witness{}
	conn, client := f.clientAtOnce(f.directory(), adsumgrpc.WithObserver(w))
	_, err := client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	if call := w.since(t, 1)[0]; call.Endpoint != nil || call.Result != lb.Failure {
		t.Errorf("%+v", call)
	}
	stats, err := adsumgrpc.Stats(soon(t), conn)
	if err != nil {
		t.Fatal(err)
	}
	if want := (lb.CallStats{Calls: 1, NoEndpoint: 1}); stats.Calls != want {
		t.Errorf("got %+v, want %+v", stats.Calls, want)
	}
}

func TestAStreamEndsOnceHoweverItEnds(t *testing.T) {
	f := newFleet(t)
	bad, good := f.failing(1)[0], f.start(1)[0]
	w := &witness{}
	conn, client := f.client(adsumgrpc.WithObserver(w), adsumgrpc.WithPolicy(lb.RoundRobin))
	list := func(ctx context.Context, times int32) grpc.ServerStreamingClient[echopb.Reply] {
		t.Helper()
		stream, err := client.List(ctx, &echopb.Request{Times: times})
		if err != nil {
			t.Fatal(err)
		}
		return stream
	}

	retried := 0
	for range 2 { // read to the end, and opened again where need be
		if _, err := drainStream(list(soon(t), 3)); err != nil {
			t.Fatal(err)
		}
		call := w.since(t, 1)[0]
		if call.Err != nil || call.Endpoint.Addr() != good.name || call.Method != echopb.Echo_List_FullMethodName {
			t.Errorf("read to its end: %+v", call)
		}
		retried += call.Tries - 1
	}
	if retried == 0 || retried != bad.answered() {
		t.Errorf("%d streams opened again, and %d that had to be", retried, bad.answered())
	}

	bad.set(func(c *copy) { c.fail = nil })
	ctx, cancel := context.WithCancel(soon(t))
	stream := list(ctx, 1<<30)
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	w.since(t, 0)
	if stats, err := adsumgrpc.Stats(soon(t), conn); err != nil || stats.Calls.InFlight != 1 {
		t.Errorf("while one is open: %+v, %v", stats, err)
	}
	cancel()
	if _, err := drainStream(stream); status.Code(err) != codes.Canceled {
		t.Errorf("after it was cancelled: %v", err)
	}
	if call := w.since(t, 1)[0]; call.Code != int(codes.Canceled) || call.Result != lb.Ignored {
		t.Errorf("cancelled: %+v", call)
	}

	talk, err := client.Talk(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := talk.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := talk.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("at the end: %v", err)
	}
	if call := w.since(t, 1)[0]; call.Err != nil || call.Tries != 1 {
		t.Errorf("both ways: %+v", call)
	}

	bad.set(func(c *copy) { c.fail = errBusy })
	good.set(func(c *copy) { c.fail = errBusy })
	_, err = drainStream(list(soon(t), 1))
	if call := w.since(t, 1)[0]; call.Err == nil || err.Error() != call.Err.Error() || call.Tries != 3 {
		t.Errorf("failed everywhere with %v: %+v", err, call)
	}

	closed, err := adsumgrpc.NewClient(f.directory(), "echo", inClear, adsumgrpc.WithObserver(w))
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if _, err := echopb.NewEchoClient(closed).Talk(soon(t)); status.Code(err) != codes.Canceled {
		t.Errorf("on a closed connection: %v", err)
	}
	if call := w.since(t, 1)[0]; call.Err == nil || call.Endpoint != nil {
		t.Errorf("on a closed connection: %+v", call)
	}
}
