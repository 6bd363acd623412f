package adsumgrpc_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/lb"
)

func safely(client echopb.EchoClient) func(context.Context) (*echopb.Reply, error) {
	return func(ctx context.Context) (*echopb.Reply, error) { return client.Look(ctx, &echopb.Request{}) }
}

func once(client echopb.EchoClient) func(context.Context) (*echopb.Reply, error) {
	return func(ctx context.Context) (*echopb.Reply, error) { return client.Add(ctx, &echopb.Request{}) }
}

func TestNoSafeCallFailsWhenACopyIsKilled(t *testing.T) {
	f := newFleet(t)
	copies := f.start(3)
	_, client := f.client()
	l := startLoad(t, 4, safely(client))
	l.more(t, 50, names(copies)...)
	copies[0].kill()
	l.more(t, 50, copies[1].name, copies[2].name)
	f.startOn(copies[0].name, nil) // the address comes back under the same record
	l.more(t, 1, copies[0].name)
	l.noErrors(t)
}

func TestACallThatIsNotSafeFailsOnlyWithTheCopyItWasAt(t *testing.T) {
	f := newFleet(t)
	copies := f.start(2)
	_, client := f.client()
	l := startLoad(t, 4, once(client))
	l.more(t, 50, names(copies)...)
	copies[0].kill()
	l.more(t, 50, copies[1].name)
	l.end()
	if len(l.errs) > 4 {
		t.Errorf("%d calls failed, at most the 4 in flight may", len(l.errs))
	}
	for _, err := range l.errs {
		if status.Code(err) != codes.Unavailable {
			t.Errorf("failed with %v", err)
		}
	}
}

func TestNoCallFailsWhenACopyIsDrained(t *testing.T) {
	f := newFleet(t)
	copies := f.start(3)
	_, client := f.client()
	l := startLoad(t, 4, once(client)) // not one of them is safe to send again
	l.more(t, 50, names(copies)...)
	copies[0].registration.SetStatus(adsum.Draining, "leaving")
	l.more(t, 50, copies[1].name, copies[2].name)
	copies[0].registration.Close(soon(t))
	copies[0].server.GracefulStop()
	l.more(t, 50, copies[1].name, copies[2].name)
	l.noErrors(t)
}

func TestNoCallFailsWhenACopyJoinsAndAnotherLeaves(t *testing.T) {
	f := newFleet(t)
	copies := f.start(2)
	_, client := f.client()
	l := startLoad(t, 4, once(client))
	l.more(t, 20, names(copies)...)
	for range 5 { // a rolling restart, over and over
		next := f.start(1)[0]
		l.more(t, 20, next.name)
		copies[0].registration.Close(soon(t))
		copies[0].server.GracefulStop()
		copies = append(copies[1:], next)
	}
	l.noErrors(t)
}

func TestNoCallFailsWhileTheRegistryIsDownFrozenOrWiped(t *testing.T) {
	f := newFleet(t)
	copies := f.start(2)
	_, client := f.client()
	l := startLoad(t, 2, once(client))
	l.more(t, 20, names(copies)...)
	f.registry.Down()
	l.more(t, 50, names(copies)...)
	f.registry.Up()
	f.registry.Freeze()
	l.more(t, 50, names(copies)...)
	f.registry.Thaw()
	f.registry.BreakWatches()
	l.more(t, 50, names(copies)...)
	l.noErrors(t)
}

func TestNoSafeCallFailsWhenACopyIsCutOffWithoutAWord(t *testing.T) {
	f := newFleet(t)
	good := f.start(1)[0]
	var proxy *adsumtest.Proxy
	cut := f.startOn("127.0.0.1:0", nil, func(in *adsum.Instance) {
		proxy = adsumtest.NewProxy(t, in.Addr)
		in.Addr = proxy.Addr()
	})
	// Long enough that the other copy answers in time on a machine that is busy.
	_, client := f.client(adsumgrpc.WithRetry(lb.Retry{PerTry: time.Second}))
	l := startLoad(t, 4, safely(client))
	l.more(t, 20, good.name, cut.name)
	proxy.Hang()
	l.more(t, 10, good.name)
	cut.registration.Close(soon(t)) // as its TTL would
	l.more(t, 50, good.name)
	l.noErrors(t)
}

func TestCallsInFlightOutliveTheRecordOfTheirCopy(t *testing.T) {
	f := newFleet(t)
	c := f.start(1)[0]
	hold := make(chan struct{})
	c.set(func(c *copy) { c.hold = hold })
	_, client := f.client()
	answered := make(chan error, 1)
	go func() {
		_, err := client.Add(soon(t), &echopb.Request{})
		answered <- err
	}()
	<-c.arrived
	c.registration.Close(soon(t))
	var err error
	for err == nil { // until the client has seen it
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err = client.Look(ctx, &echopb.Request{})
		cancel()
		if status.Code(err) == codes.DeadlineExceeded {
			err = nil
		}
	}
	close(hold)
	if err := <-answered; err != nil {
		t.Errorf("the call in flight failed: %v", err)
	}
}

func TestClosingTheConnectionReleasesTheWatch(t *testing.T) {
	f := newFleet(t)
	f.start(1)
	dir := f.directory()
	conn, client := f.clientIn(dir)
	look(t, client)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Canceled)
	again, err := adsumgrpc.NewClient(dir, "echo", inClear, inTurn)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	look(t, echopb.NewEchoClient(again))
}
