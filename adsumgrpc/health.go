package adsumgrpc

import (
	"context"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/health"
)

// HealthCheck asks a server by gRPC's health protocol, v1, whether a service
// of it is serving. It is a health.Prober: the probe of a health.Check. It
// keeps one connection, until Close.
type HealthCheck struct {
	// Addr is the server's host:port.
	Addr string
	// Service is the full name of the service to ask about, such as
	// "book.BookService"; "" asks about the server as a whole.
	Service string
	// Credentials secure the connection; nil is in clear.
	Credentials credentials.TransportCredentials

	mu   sync.Mutex
	conn *grpc.ClientConn
}

// String is grpc://host:port/service, grpcs:// with credentials.
func (h *HealthCheck) String() string {
	scheme := "grpc://"
	if h.Credentials != nil {
		scheme = "grpcs://"
	}
	if h.Service == "" {
		return scheme + h.Addr
	}
	return scheme + h.Addr + "/" + h.Service
}

// Validate refuses an address that is not host:port.
func (h *HealthCheck) Validate() error {
	if host, port, err := net.SplitHostPort(h.Addr); err != nil || host == "" || port == "" {
		return &adsum.InvalidError{Field: "address", Value: fmt.Sprintf("%q", h.Addr),
			Problem: "it is not host:port", Fix: "write it like 127.0.0.1:50051"}
	}
	return nil
}

// Probe asks once. It waits for a connection for as long as ctx allows, and
// fails when the answer is anything but SERVING.
func (h *HealthCheck) Probe(ctx context.Context) error {
	conn, err := h.dial()
	if err != nil {
		return err
	}
	answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: h.Service})
	switch status.Code(err) {
	case codes.OK:
	case codes.Unimplemented:
		return fmt.Errorf("%s has no health service: %w", h.Addr, err)
	case codes.NotFound:
		return fmt.Errorf("the health service of %s does not know %q: %w", h.Addr, h.Service, err)
	default:
		return err
	}
	if answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("%s says %s", h, answer.GetStatus())
	}
	return nil
}

// dial returns the one connection. It does not block.
func (h *HealthCheck) dial() (*grpc.ClientConn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn != nil {
		return h.conn, nil
	}
	creds := h.Credentials
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	conn, err := grpc.NewClient("passthrough:///"+h.Addr, grpc.WithTransportCredentials(creds),
		grpc.WithNoProxy(), grpc.WithConnectParams(connectParams), grpc.WithDisableServiceConfig())
	h.conn = conn
	return conn, err
}

// Close ends the connection. Probing again opens another.
func (h *HealthCheck) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conn == nil {
		return nil
	}
	conn := h.conn
	h.conn = nil
	return conn.Close()
}

// ParseHealthCheck reads grpc://HOST:PORT[/SERVICE], or grpcs:// for TLS with
// the system's trust. It is an entry for a table of health.Parsers:
//
//	parsers := health.Standard()
//	parsers["grpc"] = adsumgrpc.ParseHealthCheck
//	parsers["grpcs"] = adsumgrpc.ParseHealthCheck
func ParseHealthCheck(text string) (health.Prober, error) {
	u, err := adsum.ParseURL(text)
	if err != nil {
		return nil, err
	}
	if len(u.Hosts) != 1 || u.User != nil || len(u.Query) > 0 || u.Scheme != "grpc" && u.Scheme != "grpcs" {
		return nil, &adsum.InvalidError{Field: "check", Value: u.String(), Problem: "it is not one host and port with the name of a service",
			Fix: "write it like grpc://127.0.0.1:50051 or grpc://127.0.0.1:50051/book.BookService"}
	}
	check := &HealthCheck{Addr: u.Hosts[0], Service: u.Path}
	if u.Scheme == "grpcs" {
		check.Credentials = credentials.NewTLS(nil)
	}
	return check, nil
}
