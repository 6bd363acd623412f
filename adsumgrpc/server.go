package adsumgrpc

import (
	"context"
	"errors"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lifecycle"
)

// Serve serves srv on the open listener, registers the instance once it
// answers, and blocks until ctx ends, SIGTERM or an interrupt arrives, or the
// server fails. Then it says NOT_SERVING and withdraws, goes on answering until
// callers had time to see that, lets the calls that run finish within a limit,
// and stops. See [lifecycle.Run] for the options and the errors, and for what
// happens to an empty Addr.
//
// A server with transport security should say so, and no client of this
// package will call it in clear: Endpoints: map[string]string{"grpcs": ""}.
//
// It adds gRPC's health service to srv, unless srv has one, whose states are
// then its owner's to set. Register services before.
func Serve(ctx context.Context, srv *grpc.Server, listener net.Listener, registry adsum.Registry, in adsum.Instance, opts ...lifecycle.Option) error {
	return lifecycle.Run(ctx, newServer(srv, listener), registry, in, opts...)
}

// server makes a gRPC server one that has a lifecycle.
type server struct {
	*grpc.Server
	listener net.Listener
	health   *health.Server // nil if it is somebody else's
	services []string       // that health speaks for
	stopping sync.WaitGroup
}

func newServer(srv *grpc.Server, listener net.Listener) *server {
	s := &server{Server: srv, listener: listener}
	registered := srv.GetServiceInfo()
	if _, taken := registered[healthpb.Health_ServiceDesc.ServiceName]; taken {
		return s
	}
	s.health = health.NewServer()
	healthpb.RegisterHealthServer(srv, s.health)
	s.services = append(s.services, "") // the server as a whole
	for name := range registered {
		s.services = append(s.services, name)
	}
	s.SetServing(false)
	return s
}

func (s *server) Addr() net.Addr { return s.listener.Addr() }

func (s *server) Serve() error {
	err := s.Server.Serve(s.listener)
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil // stopped before it began
	}
	return err
}

func (s *server) SetServing(serving bool) {
	if s.health == nil {
		return
	}
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if serving {
		status = healthpb.HealthCheckResponse_SERVING
	}
	for _, name := range s.services {
		s.health.SetServingStatus(name, status)
	}
}

func (s *server) Shutdown(ctx context.Context) error {
	stopped := make(chan struct{})
	s.stopping.Go(func() {
		s.GracefulStop()
		close(stopped)
	})
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *server) Close() error {
	s.Stop() // also ends GracefulStop
	s.stopping.Wait()
	if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err // Serve never had it
	}
	return nil
}
