package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// workers and mean are those of the simulated servers.
const (
	workers = 4
	mean    = 10 * time.Millisecond
)

// server is a copy of the service, over both transports. Its method is the one of
// gRPC's health service, which needs no code of its own.
type server struct {
	healthpb.UnimplementedHealthServer
	slower float64
	fails  bool
	slots  chan struct{}
}

// serve runs a server until SIGTERM lets it finish what it has, or something
// worse comes. It also ends with its standard input.
func serve(addrs string, slower float64, fails bool) error {
	first, second, _ := strings.Cut(addrs, ",")
	s := &server{slower: slower, fails: fails, slots: make(chan struct{}, workers)}
	overGRPC, err := net.Listen("tcp", first)
	if err != nil {
		return err
	}
	overHTTP, err := net.Listen("tcp", second)
	if err != nil {
		return err
	}
	calls := grpc.NewServer()
	healthpb.RegisterHealthServer(calls, s)
	pages := &http.Server{Handler: s}
	go func() { _ = calls.Serve(overGRPC) }()
	go func() { _ = pages.Serve(overHTTP) }()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	_, _ = os.Stdout.WriteString("serving\n")

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	var done sync.WaitGroup
	done.Go(calls.GracefulStop)
	done.Go(func() { _ = pages.Shutdown(context.Background()) })
	done.Wait()
	return nil
}

// work takes as long as a request does. It reports false where the server fails.
func (s *server) work(ctx context.Context) bool {
	if s.fails {
		return false
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	time.Sleep(time.Duration(rand.ExpFloat64() * s.slower * float64(mean)))
	<-s.slots
	return true
}

func (s *server) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	if !s.work(ctx) {
		return nil, status.Error(codes.Unavailable, "it fails")
	}
	return &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}, nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.work(r.Context()) {
		http.Error(w, "it fails", http.StatusServiceUnavailable)
	}
}
