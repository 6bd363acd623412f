package adsumgrpc_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/memory"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

// inClear is what most tests connect with, and inTurn how they choose.
var (
	inClear = grpc.WithTransportCredentials(insecure.NewCredentials())
	inTurn  = adsumgrpc.WithPolicy(lb.RoundRobin)
)

var quiet = slog.New(slog.DiscardHandler)

// fleet is a registry in memory and real servers on loopback.
type fleet struct {
	t        testing.TB
	registry *memory.Server
}

func newFleet(t testing.TB) *fleet { return &fleet{t, memory.NewServer()} }

// directory opens a directory of its own, with a registry client of its own.
func (f *fleet) directory() *adsum.Directory {
	dir := adsum.NewDirectory(f.registry.Client(), adsum.WithLogger(quiet))
	f.t.Cleanup(func() { dir.Close() })
	return dir
}

// client connects to the service "echo" and waits until it is connected
// to all copies.
func (f *fleet) client(opts ...grpc.DialOption) (*grpc.ClientConn, echopb.EchoClient) {
	f.t.Helper()
	return f.clientIn(f.directory(), opts...)
}

func (f *fleet) clientIn(dir *adsum.Directory, opts ...grpc.DialOption) (*grpc.ClientConn, echopb.EchoClient) {
	f.t.Helper()
	conn, client := f.clientAtOnce(dir, opts...)
	f.connected(conn)
	return conn, client
}

// clientAtOnce is for services that are not there.
func (f *fleet) clientAtOnce(dir *adsum.Directory, opts ...grpc.DialOption) (*grpc.ClientConn, echopb.EchoClient) {
	f.t.Helper()
	conn, err := adsumgrpc.NewClient(dir, "echo", append([]grpc.DialOption{inClear, inTurn}, opts...)...)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	return conn, echopb.NewEchoClient(conn)
}

func (f *fleet) connected(conn *grpc.ClientConn) {
	f.t.Helper()
	if err := adsumgrpc.WaitConnected(soon(f.t), conn); err != nil {
		f.t.Fatal(err)
	}
}

// soon is a context that ends a test which waits in vain.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// untilSaid repeats what is given 50 ms until its error says all of that: on a
// busy machine nothing may be known in the first 50.
func untilSaid(t testing.TB, do func(context.Context) error, texts ...string) error {
	for limit := soon(t); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := do(ctx)
		cancel()
		unsaid := func(text string) bool { return err == nil || !strings.Contains(err.Error(), text) }
		if !slices.ContainsFunc(texts, unsaid) || limit.Err() != nil {
			return err
		}
	}
}

// copy is one server of the fleet.
type copy struct {
	echopb.UnimplementedEchoServer
	t            testing.TB
	name         string // its address
	server       *grpc.Server
	health       *health.Server
	registry     *memory.Registry
	registration *adsum.Registration
	served       sync.WaitGroup
	arrived      chan struct{} // a token when a call arrived

	mu      sync.Mutex
	calls   int
	fail    error         // answered instead
	trailer metadata.MD   // sent with it
	hold    chan struct{} // calls wait for it
}

// start starts n copies and waits until they are registered.
func (f *fleet) start(n int, change ...func(*adsum.Instance)) []*copy {
	f.t.Helper()
	copies := make([]*copy, n)
	for i := range copies {
		copies[i] = f.startOn("127.0.0.1:0", nil, change...)
	}
	return copies
}

func (f *fleet) startOn(addr string, opts []grpc.ServerOption, change ...func(*adsum.Instance)) *copy {
	f.t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.run(listener, grpc.NewServer(opts...), change...)
}

// serving starts a copy with a server of the test's own.
func (f *fleet) serving(srv *grpc.Server) *copy {
	f.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	return f.run(listener, srv)
}

func (f *fleet) run(listener net.Listener, srv *grpc.Server, change ...func(*adsum.Instance)) *copy {
	f.t.Helper()
	c := &copy{t: f.t, name: listener.Addr().String(), server: srv, health: health.NewServer(), registry: f.registry.Client(), arrived: make(chan struct{}, 1)}
	echopb.RegisterEchoServer(c.server, c)
	healthpb.RegisterHealthServer(c.server, c.health)
	c.served.Go(func() { c.server.Serve(listener) })
	in := adsum.Instance{Service: "echo", Addr: c.name}
	for _, change := range change {
		change(&in)
	}
	var err error
	c.registration, err = adsum.Register(c.registry, in, adsum.WithLogger(quiet))
	if err == nil {
		_, err = c.registration.Wait(soon(f.t), func(s adsum.RegistrationState) bool { return s.Registered })
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(c.close)
	return c
}

// close withdraws and stops the copy.
func (c *copy) close() {
	c.registration.Close(context.Background())
	c.kill()
}

// kill ends the copy as SIGKILL would, as far as others see: connections break
// and the record stays.
func (c *copy) kill() {
	c.server.Stop()
	c.served.Wait()
}

// answer counts the call and says who answers.
func (c *copy) answer(ctx context.Context, in *echopb.Request) (*echopb.Reply, error) {
	c.mu.Lock()
	c.calls++
	fail, trailer, hold := c.fail, c.trailer, c.hold
	c.mu.Unlock()
	select {
	case c.arrived <- struct{}{}:
	default:
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
	if fail != nil {
		grpc.SetTrailer(ctx, trailer)
		return nil, fail
	}
	return &echopb.Reply{Text: in.GetText(), Server: c.name}, nil
}

// set changes how calls are answered from now on.
func (c *copy) set(change func(*copy)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// answered returns how many calls reached the copy.
func (c *copy) answered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls
}

func (c *copy) Look(ctx context.Context, in *echopb.Request) (*echopb.Reply, error) {
	return c.answer(ctx, in)
}

func (c *copy) Put(ctx context.Context, in *echopb.Request) (*echopb.Reply, error) {
	return c.answer(ctx, in)
}

func (c *copy) Add(ctx context.Context, in *echopb.Request) (*echopb.Reply, error) {
	return c.answer(ctx, in)
}

func (c *copy) List(in *echopb.Request, stream grpc.ServerStreamingServer[echopb.Reply]) error {
	for range in.GetTimes() {
		reply, err := c.answer(stream.Context(), in)
		if err != nil {
			return err
		}
		if err := stream.Send(reply); err != nil {
			return err
		}
	}
	return nil
}

func (c *copy) Talk(stream grpc.BidiStreamingServer[echopb.Request, echopb.Reply]) error {
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		reply, err := c.answer(stream.Context(), in)
		if err != nil {
			return err
		}
		if err := stream.Send(reply); err != nil {
			return err
		}
	}
}

// names are the addresses of copies, sorted.
func names(copies []*copy) []string {
	var list []string
	for _, c := range copies {
		list = append(list, c.name)
	}
	slices.Sort(list)
	return list
}

// look makes one safe call and returns who answered.
func look(t testing.TB, client echopb.EchoClient) string {
	t.Helper()
	reply, err := client.Look(soon(t), &echopb.Request{Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	return reply.GetServer()
}

// wantCode fails the test unless err has the code.
func wantCode(t testing.TB, err error, code codes.Code) {
	t.Helper()
	if got := status.Code(err); got != code {
		t.Fatalf("code %v, want %v: %v", got, code, err)
	}
}

// load calls from several goroutines until it is stopped, and counts.
type load struct {
	stop  context.CancelFunc
	done  sync.WaitGroup
	mu    sync.Mutex
	some  *sync.Cond     // broadcast after every call
	calls map[string]int // by who answered
	errs  []error
}

func startLoad(t testing.TB, callers int, call func(context.Context) (*echopb.Reply, error)) *load {
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop, calls: map[string]int{}}
	l.some = sync.NewCond(&l.mu)
	for range callers {
		l.done.Go(func() {
			for ctx.Err() == nil {
				reply, err := call(context.WithoutCancel(ctx))
				l.mu.Lock()
				if err != nil {
					l.errs = append(l.errs, err)
				} else {
					l.calls[reply.GetServer()]++
				}
				l.mu.Unlock()
				l.some.Broadcast()
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.stop()
	l.done.Wait()
}

// more waits until each of the servers has answered n more calls.
func (l *load) more(t testing.TB, n int, servers ...string) {
	t.Helper()
	ctx := soon(t)
	defer context.AfterFunc(ctx, l.some.Broadcast)()
	l.mu.Lock()
	defer l.mu.Unlock()
	before := maps.Clone(l.calls)
	for _, s := range servers {
		for l.calls[s] < before[s]+n {
			if ctx.Err() != nil {
				t.Fatalf("%s answered %d more calls, want %d", s, l.calls[s]-before[s], n)
			}
			l.some.Wait()
		}
	}
}

// noErrors ends the load and fails the test if a call failed.
func (l *load) noErrors(t testing.TB) {
	t.Helper()
	l.end()
	if len(l.errs) > 0 {
		t.Errorf("%d calls failed, the first: %v", len(l.errs), l.errs[0])
	}
}
