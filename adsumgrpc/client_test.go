package adsumgrpc_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/lb"
)

func TestCallsGoRoundAllCopies(t *testing.T) {
	f := newFleet(t)
	copies := f.start(3)
	_, client := f.client()
	var round []string
	for range 3 {
		round = append(round, look(t, client))
	}
	if got := slices.Sorted(slices.Values(round)); !slices.Equal(got, names(copies)) {
		t.Fatalf("three calls went to %q, want each of %q once", got, names(copies))
	}
	for i := range 6 {
		if got := look(t, client); got != round[i%3] {
			t.Fatalf("call %d went to %s, want %s", i+3, got, round[i%3])
		}
	}
}

func TestDialOptionsResolveTheSchemeForGRPC(t *testing.T) {
	f := newFleet(t)
	copies := f.start(2)
	opts := adsumgrpc.DialOptions(f.directory(), inClear, inTurn)
	for range 2 { // the options serve any number of connections
		conn, err := grpc.NewClient("adsum:///echo", opts...)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		f.connected(conn)
		client := echopb.NewEchoClient(conn)
		got := []string{look(t, client), look(t, client)}
		slices.Sort(got)
		if !slices.Equal(got, names(copies)) {
			t.Errorf("calls went to %q, want %q", got, names(copies))
		}
	}
}

func TestNewClientRefusesANameNoServiceHas(t *testing.T) {
	conn, err := adsumgrpc.NewClient(newFleet(t).directory(), "a/b", inClear)
	if !errors.Is(err, adsum.ErrInvalid) || conn != nil {
		t.Errorf("error %v, want ErrInvalid", err)
	}
}

func TestNewClientRefusesABrokenServiceConfig(t *testing.T) {
	_, err := adsumgrpc.NewClient(newFleet(t).directory(), "echo", inClear, adsumgrpc.WithServiceConfig(`{"methodConfig": 7`))
	if err == nil || !strings.Contains(err.Error(), "service config") {
		t.Errorf("error %v, want one about the service config", err)
	}
}

func TestServiceConfigKeepsTheBalancer(t *testing.T) {
	f := newFleet(t)
	f.start(1)[0].set(func(c *copy) { c.hold = make(chan struct{}) })
	_, client := f.client(adsumgrpc.WithServiceConfig(`{"methodConfig": [{"name": [{"service": "echo.Echo"}], "timeout": "0.05s"}]}`))
	_, err := client.Add(soon(t), &echopb.Request{})
	wantCode(t, err, codes.DeadlineExceeded)
}

func TestPolicyIsTheOneAskedFor(t *testing.T) {
	f := newFleet(t)
	copies := f.start(3)
	_, client := f.client(adsumgrpc.WithPolicy(always(copies[1].name)))
	for range 9 {
		if got := look(t, client); got != copies[1].name {
			t.Fatalf("answered by %s, want %s", got, copies[1].name)
		}
	}
}

// always is a policy that loves one copy.
type always string

func (always) Name() string { return "always" }

func (a always) Build(_ *lb.Env, endpoints []*lb.Endpoint, _ lb.Picker) lb.Picker {
	for _, ep := range endpoints {
		if ep.ID() == string(a) {
			return one{ep}
		}
	}
	return one{endpoints[0]}
}

type one struct{ ep *lb.Endpoint }

func (o one) Pick(*lb.Call) *lb.Endpoint { return o.ep }

func TestCallsWaitWhileNothingIsKnown(t *testing.T) {
	f := newFleet(t)
	f.start(1)
	f.registry.Down()
	_, client := f.clientAtOnce(f.directory())
	const unknown, why = `nothing is known of service "echo" yet`, "server is down"
	err := untilSaid(t, func(ctx context.Context) error {
		_, err := client.Look(ctx, &echopb.Request{})
		wantCode(t, err, codes.DeadlineExceeded)
		return err
	}, unknown, why)
	if !strings.Contains(err.Error(), unknown) || !strings.Contains(err.Error(), why) {
		t.Errorf("error %q does not say that nothing is known, and why", err)
	}

	answered := make(chan error, 1)
	go func() {
		_, err := client.Look(soon(t), &echopb.Request{})
		answered <- err
	}()
	f.registry.Up()
	if err := <-answered; err != nil {
		t.Errorf("call that waited: %v", err)
	}
}

func TestCallsFailWhenTheRegistryRefusesUs(t *testing.T) {
	f := newFleet(t)
	f.registry.Deny()
	_, client := f.clientAtOnce(f.directory())
	_, err := client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	if !strings.Contains(err.Error(), adsum.ErrDenied.Error()) {
		t.Errorf("error %q does not say that access was denied", err)
	}
	f.registry.Allow()
	f.start(1)
	if _, err := client.Look(soon(t), &echopb.Request{}, grpc.WaitForReady(true)); err != nil {
		t.Errorf("after access was allowed: %v", err)
	}
}

func TestCallsFailWhenTooManyServicesAreWatched(t *testing.T) {
	f := newFleet(t)
	f.start(1)
	dir := adsum.NewDirectory(f.registry.Client(), adsum.WithLogger(quiet), adsum.WithMaxServices(1), adsum.WithIdleTimeout(time.Millisecond))
	defer dir.Close()
	view, err := dir.Open("other")
	if err != nil {
		t.Fatal(err)
	}
	_, client := f.clientAtOnce(dir)
	_, err = client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	if !strings.Contains(err.Error(), adsum.ErrTooManyServices.Error()) {
		t.Errorf("error %q does not say that too many services are watched", err)
	}
	view.Close()
	if _, err := client.Look(soon(t), &echopb.Request{}, grpc.WaitForReady(true)); err != nil {
		t.Errorf("after there was room: %v", err)
	}
}

func TestCallsFailAtOnceWhenNobodyIsRegistered(t *testing.T) {
	f := newFleet(t)
	_, client := f.clientAtOnce(f.directory())
	_, err := client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	if !strings.Contains(err.Error(), "no instance of echo is registered") {
		t.Errorf("error %q does not say that nobody is registered", err)
	}
}

func TestCallsThatWaitForReadyGoToTheFirstCopy(t *testing.T) {
	f := newFleet(t)
	_, client := f.clientAtOnce(f.directory())
	answered := make(chan error, 1)
	go func() {
		_, err := client.Look(soon(t), &echopb.Request{}, grpc.WaitForReady(true))
		answered <- err
	}()
	f.start(1)
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestCallsFailAtOnceWhenNobodyCanBeReached(t *testing.T) {
	f := newFleet(t)
	c := f.start(1)[0]
	conn, client := f.client()
	look(t, client)
	c.kill()
	for s := conn.GetState(); s != connectivity.TransientFailure; s = conn.GetState() {
		if !conn.WaitForStateChange(soon(t), s) {
			t.Fatalf("state stays %v", s)
		}
	}
	_, err := client.Look(soon(t), &echopb.Request{})
	wantCode(t, err, codes.Unavailable)
	for _, want := range []string{lb.ErrNoEndpoint.Error(), "none of them reachable", c.name, "connection refused"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}
	if !errors.Is(err, lb.ErrNoEndpoint) || !strings.HasPrefix(status.Convert(err).Message(), lb.ErrNoEndpoint.Error()) {
		t.Errorf("%v is not lb.ErrNoEndpoint, or its status says %q", err, status.Convert(err).Message())
	}
	waiting, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client.Look(waiting, &echopb.Request{}, grpc.WaitForReady(true)); status.Code(err) != codes.DeadlineExceeded || errors.Is(err, lb.ErrNoEndpoint) {
		t.Errorf("a call that waits until its time is up: %v", err)
	}
	stream, err := client.List(soon(t), &echopb.Request{Times: 1})
	if err == nil {
		_, err = stream.Recv()
	}
	if !errors.Is(err, lb.ErrNoEndpoint) {
		t.Errorf("a stream: %v", err)
	}
	f.startOn(c.name, nil)
	if _, err := client.Look(soon(t), &echopb.Request{}, grpc.WaitForReady(true)); err != nil {
		t.Errorf("after the copy came back: %v", err)
	}
}

func TestCopiesThatAreNotCallableGetNoCalls(t *testing.T) {
	f := newFleet(t)
	copies := f.start(3)
	_, client := f.client()
	copies[0].registration.SetStatus(adsum.Critical, "disk full")
	copies[1].registration.SetStatus(adsum.Draining, "leaving")
	for { // until both are seen
		if a, b, c := look(t, client), look(t, client), look(t, client); a == b && b == c {
			if a != copies[2].name {
				t.Fatalf("calls go to %s, want %s", a, copies[2].name)
			}
			break
		}
	}
	copies[2].registration.SetStatus(adsum.Critical, "disk full")
	var err error
	for err == nil {
		_, err = client.Look(soon(t), &echopb.Request{})
	}
	wantCode(t, err, codes.Unavailable)
	if !strings.Contains(err.Error(), "none of them passing") {
		t.Errorf("error %q does not say that none is passing", err)
	}
	copies[0].registration.SetStatus(adsum.Passing, "")
	reply, err := client.Look(soon(t), &echopb.Request{}, grpc.WaitForReady(true))
	if err != nil || reply.GetServer() != copies[0].name {
		t.Errorf("after recovery: %v, %v, want %s", reply, err, copies[0].name)
	}
}

func TestPinKeepsToOneCopyWhileItIsThere(t *testing.T) {
	f := newFleet(t)
	f.start(3)
	_, client := f.client()
	ctx := adsumgrpc.Pin(soon(t))
	call := func() string {
		t.Helper()
		reply, err := client.Look(ctx, &echopb.Request{})
		if err != nil {
			t.Fatal(err)
		}
		look(t, client) // others go round meanwhile
		return reply.GetServer()
	}
	first := call()
	for range 6 {
		if got := call(); got != first {
			t.Fatalf("pinned to %s, answered by %s", first, got)
		}
	}
}

func TestPinMovesOnceWhenItsCopyGoesAway(t *testing.T) {
	f := newFleet(t)
	copies := f.start(3)
	_, client := f.client()
	ctx := adsumgrpc.Pin(soon(t))
	call := func() string {
		t.Helper()
		reply, err := client.Look(ctx, &echopb.Request{})
		if err != nil {
			t.Fatal(err)
		}
		return reply.GetServer()
	}
	first := call()
	for _, c := range copies {
		if c.name == first {
			c.close()
		}
	}
	second := call()
	if second == first {
		t.Fatalf("still answered by %s, which is gone", first)
	}
	for range 6 {
		if got := call(); got != second {
			t.Fatalf("moved to %s, answered by %s", second, got)
		}
	}
}

func TestAnsweredAndPeerTellTheCopy(t *testing.T) {
	f := newFleet(t)
	f.start(2, func(in *adsum.Instance) { in.Zone = "north"; in.Metadata = map[string]string{"shelf": "7"} })
	_, client := f.client()
	var in adsum.Instance
	var p peer.Peer
	reply, err := client.Look(soon(t), &echopb.Request{}, adsumgrpc.Answered(&in), grpc.Peer(&p))
	if err != nil {
		t.Fatal(err)
	}
	if in.Addr != reply.GetServer() || in.Zone != "north" || in.Metadata["shelf"] != "7" {
		t.Errorf("answered by %+v, want %s", in, reply.GetServer())
	}
	if p.Addr.String() != reply.GetServer() {
		t.Errorf("peer %v, want %s", p.Addr, reply.GetServer())
	}
}

func TestTheGRPCEndpointIsCalledBeforeTheAddress(t *testing.T) {
	f := newFleet(t)
	var real string
	c := f.startOn("127.0.0.1:0", nil, func(in *adsum.Instance) {
		real = in.Addr
		in.Endpoints = map[string]string{"grpc": in.Addr}
		in.Addr = "127.0.0.1:1"
	})
	_, client := f.client()
	if got := look(t, client); got != real || got != c.name {
		t.Errorf("answered by %s, want %s", got, real)
	}
}

func TestWaitConnectedSaysWhatIsMissing(t *testing.T) {
	f := newFleet(t)
	conn, _ := f.clientAtOnce(f.directory())
	err := untilSaid(t, func(ctx context.Context) error { return adsumgrpc.WaitConnected(ctx, conn) }, "0 copies connected")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "0 copies connected") {
		t.Errorf("error %v", err)
	}
	conn.Close()
	wantCode(t, adsumgrpc.WaitConnected(soon(t), conn), codes.Canceled)
	foreign, err := grpc.NewClient("passthrough:///127.0.0.1:1", inClear)
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if err := adsumgrpc.WaitConnected(soon(t), foreign); err == nil || !strings.Contains(err.Error(), "was not made by adsumgrpc") {
		t.Errorf("foreign connection: error %v", err)
	}
}

func TestAClientThatStartsWhileTheRegistryIsDownCallsFromDisk(t *testing.T) {
	f := newFleet(t)
	c := f.start(1)[0]
	folder := t.TempDir()
	before := adsum.NewDirectory(f.registry.Client(), adsum.WithLogger(quiet), adsum.WithCache(folder))
	if _, err := before.Snapshot(soon(t), "echo"); err != nil {
		t.Fatal(err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	f.registry.Down()
	after := adsum.NewDirectory(f.registry.Client(), adsum.WithLogger(quiet), adsum.WithCache(folder))
	defer after.Close()
	_, client := f.clientAtOnce(after)
	if got := look(t, client); got != c.name {
		t.Errorf("answered by %s, want %s", got, c.name)
	}
}

func TestThePolicyLearnsHowCallsEnd(t *testing.T) {
	f := newFleet(t)
	c := f.start(1)[0]
	learned := make(learner, 1)
	_, client := f.client(adsumgrpc.WithPolicy(learned), adsumgrpc.WithRetry(lb.Retry{Max: 1}))
	call := func(ctx context.Context, fail error) lb.Outcome {
		c.set(func(c *copy) { c.fail = fail })
		client.Look(ctx, &echopb.Request{})
		return <-learned
	}
	for want, err := range map[lb.Result]error{lb.Success: nil, lb.Failure: errBusy} {
		if got := call(t.Context(), err); got.Result != want || got.Deadline != 0 || got.Latency <= 0 {
			t.Errorf("%v: learned %+v, want result %v, a latency and no deadline", err, got, want)
		}
	}
	if got := call(t.Context(), status.Error(codes.NotFound, "no such book")); got.Result != lb.Success {
		t.Errorf("an answer: learned %+v", got)
	}
}

func TestThePolicyLearnsOfADeadlineMissed(t *testing.T) {
	f := newFleet(t)
	f.start(1)[0].set(func(c *copy) { c.hold = make(chan struct{}) })
	learned := make(learner, 1)
	_, client := f.client(adsumgrpc.WithPolicy(learned))
	for limit := 50 * time.Millisecond; ; limit *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err := client.Look(ctx, &echopb.Request{})
		cancel()
		wantCode(t, err, codes.DeadlineExceeded)
		select {
		case got := <-learned:
			if got.Result != lb.Failure || got.Deadline <= 0 || got.Deadline > limit {
				t.Errorf("learned %+v", got)
			}
			return
		case <-time.After(time.Second): // the time was over before the call chose a copy
			if limit > 10*time.Second {
				t.Fatal("learned nothing")
			}
		}
	}
}

func TestThePolicyBlamesNobodyForACallerThatLeft(t *testing.T) {
	f := newFleet(t)
	c := f.start(1)[0]
	c.set(func(c *copy) { c.hold = make(chan struct{}) })
	learned := make(learner, 1)
	_, client := f.client(adsumgrpc.WithPolicy(learned))
	gone, leave := context.WithCancel(t.Context())
	go func() {
		<-c.arrived
		leave()
	}()
	_, err := client.Look(gone, &echopb.Request{})
	wantCode(t, err, codes.Canceled)
	if got := <-learned; got.Result != lb.Ignored {
		t.Errorf("learned %+v", got)
	}
}

// learner is a policy that passes on what it learns.
type learner chan lb.Outcome

func (learner) Name() string { return "learner" }

func (learner) Needs() lb.Signals { return lb.Latency }

func (l learner) Build(_ *lb.Env, endpoints []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return learning{one{endpoints[0]}, l}
}

type learning struct {
	one
	told learner
}

func (l learning) Done(_ *lb.Endpoint, outcome lb.Outcome) { l.told <- outcome }

func TestTwoClientsOfOneDirectoryShareItsWatch(t *testing.T) {
	f := newFleet(t)
	copies := f.start(2)
	dir := f.directory()
	_, one := f.clientIn(dir)
	_, two := f.clientIn(dir)
	for _, client := range []echopb.EchoClient{one, two} {
		got := []string{look(t, client), look(t, client)}
		slices.Sort(got)
		if !slices.Equal(got, names(copies)) {
			t.Errorf("calls went to %q, want %q", got, names(copies))
		}
	}
	if n := f.registry.Watches(); n != 1 {
		t.Errorf("%d watches, want 1", n)
	}
}

func TestOtherBalancersGetTheCallableEndpoints(t *testing.T) {
	f := newFleet(t)
	copies := f.start(3)
	copies[2].registration.SetStatus(adsum.Critical, "broken")
	if _, err := copies[2].registration.Wait(soon(t), func(s adsum.RegistrationState) bool { return s.Published.Status == adsum.Critical }); err != nil {
		t.Fatal(err)
	}
	conn, err := adsumgrpc.NewClient(f.directory(), "echo", inClear,
		adsumgrpc.WithServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := echopb.NewEchoClient(conn)
	seen := map[string]bool{}
	for len(seen) < 2 {
		seen[look(t, client)] = true
	}
	if seen[copies[2].name] {
		t.Error("the critical copy was called")
	}
}

func TestAnIdleConnectionWakesAtTheNextCall(t *testing.T) {
	f := newFleet(t)
	f.start(2)
	conn, client := f.client(grpc.WithIdleTimeout(20 * time.Millisecond))
	for range 2 {
		look(t, client)
		for s := conn.GetState(); s != connectivity.Idle; s = conn.GetState() {
			if !conn.WaitForStateChange(soon(t), s) {
				t.Fatalf("state stays %v", s)
			}
		}
	}
	look(t, client)
}

func TestOptionsWithoutAValueKeepTheDefaults(t *testing.T) {
	f := newFleet(t)
	f.start(1)
	_, client := f.client(adsumgrpc.WithPolicy(nil), adsumgrpc.WithServiceConfig(""))
	look(t, client)
}
