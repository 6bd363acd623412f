package adsumgrpc_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/lb"
)

var errBusy = status.Error(codes.Unavailable, "busy")

// failing starts n copies that answer Unavailable.
func (f *fleet) failing(n int) []*copy {
	copies := f.start(n)
	for _, c := range copies {
		c.set(func(c *copy) { c.fail = errBusy })
	}
	return copies
}

func answeredBy(copies []*copy) (total int) {
	for _, c := range copies {
		total += c.answered()
	}
	return total
}

func TestSafeCallsAreTriedAgainElsewhere(t *testing.T) {
	f := newFleet(t)
	bad := f.failing(2)
	good := f.start(1)[0]
	_, client := f.client()
	methods := map[string]func(context.Context, *echopb.Request, ...grpc.CallOption) (*echopb.Reply, error){
		"Look": client.Look, "Put": client.Put,
	}
	for name, call := range methods {
		for range 6 {
			reply, err := call(soon(t), &echopb.Request{})
			if err != nil || reply.GetServer() != good.name {
				t.Fatalf("%s: %v, %v, want an answer of %s", name, reply, err, good.name)
			}
		}
	}
	if answeredBy(bad) == 0 {
		t.Error("no call went to the copies that fail: nothing was shown")
	}
}

func TestCallsThatAreNotSafeAreSentOnce(t *testing.T) {
	f := newFleet(t)
	copies := f.failing(3)
	_, client := f.client()
	_, err := client.Add(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	if n := answeredBy(copies); n != 1 {
		t.Errorf("the call was sent %d times", n)
	}
	if !strings.Contains(err.Error(), "1 try failed: echo/127.0.0.1:") {
		t.Errorf("error %q does not name the copy", err)
	}
}

func TestIdempotentMakesACallSafe(t *testing.T) {
	f := newFleet(t)
	f.failing(2)
	good := f.start(1)[0]
	_, client := f.client(adsumgrpc.Idempotent(echopb.Echo_Add_FullMethodName))
	for range 6 {
		reply, err := client.Add(soon(t), &echopb.Request{})
		if err != nil || reply.GetServer() != good.name {
			t.Fatalf("%v, %v, want an answer of %s", reply, err, good.name)
		}
	}
}

func TestTheErrorOfARetriedCallNamesEveryTry(t *testing.T) {
	f := newFleet(t)
	copies := f.failing(3)
	_, client := f.client()
	_, err := client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	var tries *lb.TriesError
	if !errors.As(err, &tries) || len(tries.Tries) != 3 {
		t.Fatalf("error %v, want three tries", err)
	}
	for _, c := range copies {
		if !strings.Contains(err.Error(), c.name) {
			t.Errorf("error %q does not name %s", err, c.name)
		}
		if n := c.answered(); n != 1 {
			t.Errorf("%s was tried %d times, want once", c.name, n)
		}
	}
	if s, ok := status.FromError(err); !ok || s.Code() != codes.Unavailable {
		t.Errorf("status %v, %v", s, ok)
	}
}

func TestRetryCanBeTurnedOff(t *testing.T) {
	f := newFleet(t)
	copies := f.failing(3)
	_, client := f.client(adsumgrpc.WithRetry(lb.Retry{Max: 1}))
	_, err := client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	if n := answeredBy(copies); n != 1 {
		t.Errorf("the call was sent %d times", n)
	}
}

// gRPC would send each try as often as its own policy says.
func TestTheRetryPolicyOfAServiceConfigDoesNotMultiplyTries(t *testing.T) {
	const config = `{"methodConfig": [{"name": [{"service": "echo.Echo"}], "retryPolicy": {
		"maxAttempts": 3, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`
	single, err := lb.NewLive(lb.Config{Retry: lb.RetryConfig{Max: 1}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		retry     lb.Retry
		live      *lb.Live
		look, add int // how often each is sent
	}{
		"ours":         {lb.Retry{}, nil, 3, 1},
		"gRPC's":       {lb.Retry{Max: 1}, nil, 3, 3},
		"the config's": {lb.Retry{}, single, 1, 1}, // which may become ours
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			copies := f.failing(4)
			_, client := f.client(adsumgrpc.WithServiceConfig(config), adsumgrpc.WithRetry(tt.retry), adsumgrpc.WithConfig(tt.live))
			_, err := client.Look(soon(t), &echopb.Request{})
			wantCode(t, err, codes.Unavailable)
			if n := answeredBy(copies); n != tt.look {
				t.Errorf("a call that is safe to send again was sent %d times, want %d", n, tt.look)
			}
			before := answeredBy(copies)
			_, err = client.Add(soon(t), &echopb.Request{})
			wantCode(t, err, codes.Unavailable)
			if n := answeredBy(copies) - before; n != tt.add {
				t.Errorf("a call that is not was sent %d times, want %d", n, tt.add)
			}
		})
	}
}

func TestAnAnswerIsNotTriedAgain(t *testing.T) {
	f := newFleet(t)
	copies := f.start(2)
	for _, c := range copies {
		c.set(func(c *copy) { c.fail = status.Error(codes.NotFound, "no such book") })
	}
	_, client := f.client()
	_, err := client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.NotFound)
	if n := answeredBy(copies); n != 1 {
		t.Errorf("the call was sent %d times", n)
	}
	if s, _ := status.FromError(err); s.Message() != "no such book" {
		t.Errorf("message %q was changed", s.Message())
	}
}

func TestATryThatTakesTooLongGoesElsewhere(t *testing.T) {
	f := newFleet(t)
	slow := f.start(1)[0]
	slow.set(func(c *copy) { c.hold = make(chan struct{}) })
	good := f.start(1)[0]
	// Long enough that the other copy answers in time on a machine that is busy.
	_, client := f.client(adsumgrpc.WithRetry(lb.Retry{PerTry: time.Second}))
	for slow.answered() == 0 {
		if got := look(t, client); got != good.name {
			t.Fatalf("answered by %s", got)
		}
	}
}

func TestTheCallersDeadlineEndsTheTries(t *testing.T) {
	f := newFleet(t)
	f.failing(1)
	_, client := f.client(adsumgrpc.WithRetry(lb.Retry{Max: 100, Backoff: lb.Backoff{Initial: time.Hour, Max: time.Hour}}))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	begun := time.Now()
	_, err := client.Look(ctx, &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("waited %v for a try that could not come before the deadline", took)
	}
}

func TestAPinnedCallIsTriedElsewhereAndStaysThere(t *testing.T) {
	f := newFleet(t)
	f.failing(1)
	good := f.start(1)[0]
	_, client := f.client()
	for range 2 { // one of the two is pinned to the copy that fails at first
		ctx := adsumgrpc.Pin(soon(t))
		for range 3 {
			reply, err := client.Look(ctx, &echopb.Request{})
			if err != nil || reply.GetServer() != good.name {
				t.Fatalf("%v, %v, want an answer of %s", reply, err, good.name)
			}
		}
	}
}

func TestThePushBackOfAServerIsHonoured(t *testing.T) {
	pushes := map[string]struct {
		ms       string
		code     codes.Code
		attempts int
	}{
		"a server that is busy is asked again later":   {"100", codes.ResourceExhausted, 2},
		"a server that does not want it is left alone": {"-1", codes.Unavailable, 1},
		"what is no number is taken for a no":          {"soon", codes.Unavailable, 1},
		"a wait beyond the deadline ends the call":     {"3600000", codes.Unavailable, 1},
	}
	for name, push := range pushes {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			copies := f.start(2)
			for _, c := range copies {
				c.set(func(c *copy) {
					c.fail = status.Error(push.code, "busy")
					c.trailer = metadata.Pairs("grpc-retry-pushback-ms", push.ms)
				})
			}
			_, client := f.client(adsumgrpc.WithRetry(lb.Retry{Max: 2}))
			begun := time.Now()
			_, err := client.Look(soon(t), &echopb.Request{})
			wantCode(t, err, push.code)
			if n := answeredBy(copies); n != push.attempts {
				t.Errorf("the call was sent %d times, want %d", n, push.attempts)
			}
			if took := time.Since(begun); push.attempts > 1 && took < 100*time.Millisecond {
				t.Errorf("asked again after %v, not after the 100ms asked for", took)
			}
		})
	}
}

// drainStream receives all messages.
func drainStream(stream grpc.ServerStreamingClient[echopb.Reply]) (servers []string, err error) {
	for {
		reply, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return servers, nil
		}
		if err != nil {
			return servers, err
		}
		servers = append(servers, reply.GetServer())
	}
}

func TestServerStreamsAreOpenedAgainElsewhere(t *testing.T) {
	f := newFleet(t)
	bad := f.failing(2)
	good := f.start(1)[0]
	_, client := f.client()
	for range 6 {
		stream, err := client.List(soon(t), &echopb.Request{Text: "all", Times: 3})
		if err != nil {
			t.Fatal(err)
		}
		servers, err := drainStream(stream)
		if err != nil || len(servers) != 3 || servers[0] != good.name {
			t.Fatalf("%q, %v, want three messages of %s", servers, err, good.name)
		}
	}
	if answeredBy(bad) == 0 {
		t.Error("no stream went to the copies that fail: nothing was shown")
	}
}

func TestAStreamMayBeOpenedAgainBeforeAnythingWasSent(t *testing.T) {
	f := newFleet(t)
	var opened atomic.Int32
	again := make(chan struct{})
	refusing := grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		if opened.Add(1) == 1 {
			return status.Error(codes.Unavailable, "not yet")
		}
		close(again)
		return handle(srv, stream)
	})
	for range 2 {
		f.startOn("127.0.0.1:0", []grpc.ServerOption{refusing})
	}
	conn, _ := f.client()
	ctx := soon(t)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, echopb.Echo_List_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	var receiving sync.WaitGroup
	receiving.Go(func() {
		reply := &echopb.Reply{}
		if err := stream.RecvMsg(reply); err != nil || reply.GetText() != "late" {
			t.Errorf("received %v, %v", reply, err)
		}
		if err := stream.RecvMsg(reply); err != io.EOF {
			t.Errorf("after that: %v", err)
		}
	})
	select {
	case <-again:
	case <-ctx.Done():
	}
	if err := errors.Join(stream.SendMsg(&echopb.Request{Text: "late", Times: 1}), stream.CloseSend()); err != nil {
		t.Error(err)
	}
	receiving.Wait()
}

func TestTheErrorOfAStreamNamesEveryTry(t *testing.T) {
	f := newFleet(t)
	copies := f.failing(3)
	_, client := f.client()
	stream, err := client.List(soon(t), &echopb.Request{Times: 3})
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantCode(t, err, codes.Unavailable)
	for _, c := range copies {
		if !strings.Contains(err.Error(), c.name) || c.answered() != 1 {
			t.Errorf("%s was tried %d times, error %q", c.name, c.answered(), err)
		}
	}
}

func TestTheBudgetKnowsOfStreamsThatNeedNoRetry(t *testing.T) {
	f := newFleet(t)
	f.failing(1)
	f.start(2)
	budget := &lb.Budget{}
	_, client := f.client(adsumgrpc.WithRetry(lb.Retry{Budget: budget}))
	for range 20 {
		stream, err := client.List(soon(t), &echopb.Request{Times: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := drainStream(stream); err != nil {
			t.Fatal(err)
		}
	}
	if s := budget.Stats(); s.Calls != 20 || s.Retries == 0 {
		t.Errorf("%d calls and %d retries are known, want all 20 calls and some retries", s.Calls, s.Retries)
	}
}

func TestEmptyServerStreamsEnd(t *testing.T) {
	f := newFleet(t)
	f.start(1)
	_, client := f.client()
	stream, err := client.List(soon(t), &echopb.Request{Times: 0})
	if err != nil {
		t.Fatal(err)
	}
	if servers, err := drainStream(stream); err != nil || len(servers) != 0 {
		t.Errorf("%q, %v, want an empty stream", servers, err)
	}
}

func TestAStreamIsNotOpenedAgainAfterItsFirstMessage(t *testing.T) {
	f := newFleet(t)
	copies := f.start(2)
	_, client := f.client()
	stream, err := client.List(soon(t), &echopb.Request{Times: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range copies {
		if c.name == first.GetServer() {
			c.kill()
		}
	}
	servers, err := drainStream(stream)
	wantCode(t, err, codes.Unavailable)
	for _, s := range servers {
		if s != first.GetServer() {
			t.Fatalf("the stream went on at %s", s)
		}
	}
}

func TestBidirectionalStreamsStayWithOneCopy(t *testing.T) {
	f := newFleet(t)
	f.start(3)
	_, client := f.client()
	stream, err := client.Talk(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	var server string
	for i := range 5 {
		if err := stream.Send(&echopb.Request{Text: "hello"}); err != nil {
			t.Fatal(err)
		}
		reply, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && reply.GetServer() != server {
			t.Fatalf("message %d came from %s, the first from %s", i, reply.GetServer(), server)
		}
		server = reply.GetServer()
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want EOF", err)
	}
}
