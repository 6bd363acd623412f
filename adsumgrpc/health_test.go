package adsumgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/health" // makes clients able to watch health
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/adsumgrpc/internal/echopb"
	"github.com/adsum-go/adsum/health"
)

var (
	_ health.Prober    = (*adsumgrpc.HealthCheck)(nil)
	_ health.Validator = (*adsumgrpc.HealthCheck)(nil)
)

func TestHealthCheckFollowsTheServer(t *testing.T) {
	c := newFleet(t).start(1)[0]
	check := &adsumgrpc.HealthCheck{Addr: c.name, Service: "echo.Echo"}
	defer check.Close()
	if err := check.Probe(soon(t)); status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), `does not know "echo.Echo"`) {
		t.Errorf("unknown service: %v", err)
	}
	c.health.SetServingStatus("echo.Echo", healthpb.HealthCheckResponse_SERVING)
	if err := check.Probe(soon(t)); err != nil {
		t.Errorf("serving: %v", err)
	}
	c.health.SetServingStatus("echo.Echo", healthpb.HealthCheckResponse_NOT_SERVING)
	if err := check.Probe(soon(t)); err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("not serving: %v", err)
	}
	c.kill()
	if err := check.Probe(soon(t)); status.Code(err) != codes.Unavailable {
		t.Errorf("killed: %v", err)
	}
}

func TestHealthCheckDrivesAStatus(t *testing.T) {
	c := newFleet(t).start(1)[0]
	checker, err := health.Start([]health.Check{{Probe: &adsumgrpc.HealthCheck{Addr: c.name}}}, health.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	defer checker.Close()
	if err := checker.WaitReady(soon(t)); err != nil {
		t.Error(err)
	}
	if got := checker.Report().Checks[0].Name; got != "grpc://"+c.name {
		t.Errorf("the check is named %q", got)
	}
}

func TestHealthCheckNamesWhatItAsks(t *testing.T) {
	for want, check := range map[string]*adsumgrpc.HealthCheck{
		"grpc://10.0.0.5:50051":                  {Addr: "10.0.0.5:50051"},
		"grpc://10.0.0.5:50051/book.BookService": {Addr: "10.0.0.5:50051", Service: "book.BookService"},
	} {
		if got := check.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if err := check.Validate(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := (&adsumgrpc.HealthCheck{Addr: "50051"}).Validate(); !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("a port alone: %v, want ErrInvalid", err)
	}
}

func TestHealthCheckOfAServerWithoutHealthServiceSaysSo(t *testing.T) {
	plain := grpc.NewServer()
	addr := serve(t, plain)
	check := &adsumgrpc.HealthCheck{Addr: addr}
	defer check.Close()
	if err := check.Probe(soon(t)); status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), "has no health service") {
		t.Errorf("error %v", err)
	}
}

func TestClientSideHealthCheckingTakesCopiesOut(t *testing.T) {
	f := newFleet(t)
	copies := f.start(2)
	_, client := f.client(adsumgrpc.WithServiceConfig(`{"healthCheckConfig": {"serviceName": ""}}`))
	l := startLoad(t, 2, func(ctx context.Context) (*echopb.Reply, error) { return client.Add(ctx, &echopb.Request{}) })
	l.more(t, 20, names(copies)...)
	copies[0].health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	for before := -1; before != copies[0].answered(); { // until no more calls arrive
		before = copies[0].answered()
		l.more(t, 50, copies[1].name)
	}
	copies[0].health.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	l.more(t, 20, names(copies)...)
	l.noErrors(t)
}

func TestAHealthCheckIsReadFromText(t *testing.T) {
	parsers := health.Standard()
	parsers["grpc"] = adsumgrpc.ParseHealthCheck
	parsers["grpcs"] = adsumgrpc.ParseHealthCheck
	for _, text := range []string{"grpc://127.0.0.1:50051", "grpc://[::1]:50051/book.BookService", "grpcs://127.0.0.1:50051"} {
		probe, err := parsers.Parse(text)
		if err != nil || fmt.Sprint(probe) != text {
			t.Errorf("%s is read as %v, %v", text, probe, err)
		}
	}
	for _, text := range []string{"grpc://", "grpc://127.0.0.1", "grpc://a:1,b:2", "grpc://user:secret@a:1", "grpc://a:1?x=y"} {
		if probe, err := parsers.Parse(text); !errors.Is(err, adsum.ErrInvalid) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s is read as %v, %v", text, probe, err)
		}
	}
}
