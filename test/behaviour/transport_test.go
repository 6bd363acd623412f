package behaviour_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-kit/kit/endpoint"
	"github.com/go-kit/kit/sd"
	kitgrpc "github.com/go-kit/kit/transport/grpc"
	kithttp "github.com/go-kit/kit/transport/http"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
)

// caller makes one call and tells who answered.
type caller func(ctx context.Context, idempotent bool) (addr string, err error)

// manner is how a client calls.
type manner struct {
	policy lb.Policy // the transport's default if nil
	retry  lb.Retry
	hedge  *lb.Hedge
	// observer is told of the calls, nobody if nil.
	observer lb.ClientObserver
	live     *lb.Live // instead of all these, unless nil
}

// transport is a way to serve and to call.
type transport struct {
	name  string
	serve func(net.Listener, *server) (stop func())
	dial  func(*testing.T, *adsum.Directory, manner) caller
}

var transports = []transport{
	{"gRPC", serveGRPC, dialGRPC},
	{"HTTP", serveHTTP, dialHTTP},
	{"go-kit", serveHTTP, dialKit},
}

// kitOverGRPC is go-kit with a factory that dials by gRPC itself. Of a call that was
// never sent it says no more than gRPC does, so that not every scenario is its.
var kitOverGRPC = transport{"go-kit over gRPC", serveGRPC, dialKitGRPC}

var (
	errNotFound    = errors.New("not found")
	errUnavailable = errors.New("unavailable")
)

// resultOf puts any transport's error into the words they share.
func resultOf(err error) result {
	switch {
	case err == nil:
		return answered
	case errors.Is(err, lb.ErrLimited):
		return limited
	case errors.Is(err, lb.ErrNoEndpoint):
		return nobody
	case errors.Is(err, errNotFound), status.Code(err) == codes.NotFound:
		return notFound
	case errors.Is(err, context.Canceled), status.Code(err) == codes.Canceled:
		return canceled
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		return tooLate
	default:
		return unavailable
	}
}

// gRPC: a service with one method that may be sent twice and one that may not.

const getMethod, putMethod = "/echo.Echo/Get", "/echo.Echo/Put"

func serveGRPC(l net.Listener, s *server) (stop func()) {
	answer := func(ctx context.Context, _ any) (any, error) {
		switch s.handle(ctx) {
		case answered:
			return wrapperspb.String(s.addr), nil
		case notFound:
			return nil, status.Error(codes.NotFound, "not found")
		default:
			return nil, status.Error(codes.Unavailable, "unavailable")
		}
	}
	handler := func(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		in := &emptypb.Empty{}
		if err := decode(in); err != nil {
			return nil, err
		}
		return interceptor(ctx, in, &grpc.UnaryServerInfo{}, answer)
	}
	srv := grpc.NewServer(adsumgrpc.LoadOptions(&s.meter, nil)...)
	srv.RegisterService(&grpc.ServiceDesc{ServiceName: "echo.Echo", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{
		{MethodName: "Get", Handler: handler}, {MethodName: "Put", Handler: handler},
	}}, nil)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	return func() {
		srv.Stop()
		<-done
	}
}

func dialGRPC(t *testing.T, dir *adsum.Directory, m manner) caller {
	conn, err := adsumgrpc.NewClient(dir, "book", grpc.WithTransportCredentials(insecure.NewCredentials()),
		adsumgrpc.Idempotent(getMethod), adsumgrpc.WithPolicy(m.policy), adsumgrpc.WithRetry(m.retry), adsumgrpc.WithHedge(m.hedge),
		adsumgrpc.WithConfig(m.live), adsumgrpc.WithObserver(m.observer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(ctx context.Context, idempotent bool) (string, error) {
		method := putMethod
		if idempotent {
			method = getMethod
		}
		var addr wrapperspb.StringValue
		err := conn.Invoke(ctx, method, &emptypb.Empty{}, &addr)
		return addr.GetValue(), err
	}
}

// HTTP: a GET may be sent twice, a POST may not.

func serveHTTP(l net.Listener, s *server) (stop func()) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch s.handle(r.Context()) {
		case answered:
			_, _ = io.WriteString(w, s.addr)
		case notFound:
			http.Error(w, "not found", http.StatusNotFound)
		default:
			http.Error(w, "unavailable", http.StatusServiceUnavailable)
		}
	})
	srv := &http.Server{Handler: adsumhttp.DeadlineHandler(adsumhttp.LoadHandler(answer, &s.meter, nil), 0)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	return func() {
		srv.Close()
		<-done
	}
}

func dialHTTP(t *testing.T, dir *adsum.Directory, m manner) caller {
	transport := adsumhttp.NewTransport(dir, adsumhttp.WithPolicy(m.policy), adsumhttp.WithRetry(m.retry), adsumhttp.WithHedge(m.hedge),
		adsumhttp.WithConfig(m.live), adsumhttp.WithObserver(m.observer))
	t.Cleanup(func() { transport.Close() })
	web := &http.Client{Transport: transport}
	return func(ctx context.Context, idempotent bool) (string, error) {
		req, err := http.NewRequestWithContext(ctx, method(idempotent), "http://book/", nil)
		if err != nil {
			return "", err
		}
		resp, err := web.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		return read(resp)
	}
}

func method(idempotent bool) string {
	if idempotent {
		return http.MethodGet
	}
	return http.MethodPost
}

func read(resp *http.Response) (string, error) {
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "", err
	case resp.StatusCode == http.StatusNotFound:
		return "", errNotFound
	case resp.StatusCode != http.StatusOK:
		return "", errUnavailable
	}
	return string(body), nil
}

// go-kit, over the same HTTP, and over the same gRPC.

func dialKit(t *testing.T, dir *adsum.Directory, m manner) caller {
	return dialKitBy(t, dir, m, kitFactory, nil, nil)
}

func dialKitGRPC(t *testing.T, dir *adsum.Directory, m manner) caller {
	return dialKitBy(t, dir, m, kitGRPCFactory, []adsumkit.BalancerOption{adsumkit.WithResult(adsumgrpc.Result)},
		[]adsumkit.RetryOption{adsumkit.WithJudge(adsumgrpc.Verdict)})
}

func dialKitBy(t *testing.T, dir *adsum.Directory, m manner, factory sd.Factory, how []adsumkit.BalancerOption, opts []adsumkit.RetryOption) caller {
	instancer, err := adsumkit.NewInstancer(dir, "book", adsumkit.WithFirstAnswer(0))
	if err != nil {
		t.Fatal(err)
	}
	endpointer := adsumkit.NewEndpointer(instancer, factory)
	t.Cleanup(func() {
		endpointer.Close()
		instancer.Stop()
	})
	balancer := adsumkit.NewBalancer(endpointer, m.policy, append(how, adsumkit.WithConfig(m.live), adsumkit.WithObserver(m.observer))...)
	timeout := cmp.Or(m.retry.Timeout, time.Minute)
	opts = append(opts, adsumkit.WithPerTry(m.retry.PerTry), adsumkit.WithBackoff(m.retry.Backoff))
	if m.retry.Budget != nil {
		opts = append(opts, adsumkit.WithBudget(m.retry.Budget))
	}
	if m.hedge != nil {
		opts = append(opts, adsumkit.WithHedge(m.hedge))
	}
	once := adsumkit.Retry(m.retry.Max, timeout, balancer, opts...)
	often := adsumkit.Retry(m.retry.Max, timeout, balancer, append(opts, adsumkit.Idempotent())...)
	return func(ctx context.Context, idempotent bool) (string, error) {
		call := once
		if idempotent {
			call = often
		}
		addr, err := call(ctx, method(idempotent))
		if err != nil {
			return "", err
		}
		return addr.(string), nil
	}
}

func kitFactory(instance string) (endpoint.Endpoint, io.Closer, error) {
	client := &http.Client{Transport: &http.Transport{}}
	target := &url.URL{Scheme: "http", Host: instance, Path: "/"}
	noBody := func(context.Context, *http.Request, any) error { return nil }
	decode := func(_ context.Context, resp *http.Response) (any, error) {
		addr, err := read(resp)
		if errors.Is(err, errNotFound) {
			err = adsumkit.Permanent(err)
		}
		return addr, err
	}
	deadline := kithttp.ClientBefore(func(ctx context.Context, req *http.Request) context.Context {
		adsumhttp.SendDeadline(ctx, req.Header)
		return ctx
	})
	opts := []kithttp.ClientOption{kithttp.SetClient(client), deadline, kithttp.ClientAfter(adsumkit.LoadFromHTTP)}
	get := kithttp.NewClient(http.MethodGet, target, noBody, decode, opts...).Endpoint()
	post := kithttp.NewClient(http.MethodPost, target, noBody, decode, opts...).Endpoint()
	return func(ctx context.Context, method any) (any, error) {
		if method == http.MethodGet {
			return get(ctx, nil)
		}
		return post(ctx, nil)
	}, closer(client.CloseIdleConnections), nil
}

func kitGRPCFactory(instance string) (endpoint.Endpoint, io.Closer, error) {
	conn, err := grpc.NewClient("passthrough:///"+instance, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	encode := func(context.Context, any) (any, error) { return &emptypb.Empty{}, nil }
	decode := func(_ context.Context, reply any) (any, error) {
		return reply.(*wrapperspb.StringValue).GetValue(), nil
	}
	call := func(method string) endpoint.Endpoint {
		return kitgrpc.NewClient(conn, "echo.Echo", method, encode, decode, wrapperspb.StringValue{},
			kitgrpc.ClientAfter(adsumkit.LoadFromGRPC)).Endpoint()
	}
	get, put := call("Get"), call("Put")
	return func(ctx context.Context, method any) (any, error) {
		if method == http.MethodGet {
			return get(ctx, nil)
		}
		return put(ctx, nil)
	}, conn, nil
}

type closer func()

func (c closer) Close() error {
	c()
	return nil
}
