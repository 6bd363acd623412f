package adsumgrpc_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/lb"
)

func TestErrorsOfCallsThatOthersBalanceAreJudgedByTheirCode(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	tests := []struct {
		name   string
		ctx    context.Context
		err    error
		result lb.Result
		safety lb.Safety
	}{
		{"the server is in trouble", t.Context(), status.Error(codes.Unavailable, ""), lb.Failure, lb.IfIdempotent},
		{"it was too slow", t.Context(), status.Error(codes.DeadlineExceeded, ""), lb.Failure, lb.IfIdempotent},
		{"it is overloaded", t.Context(), status.Error(codes.ResourceExhausted, ""), lb.Failure, lb.Never},
		{"it answered", t.Context(), status.Error(codes.NotFound, ""), lb.Success, lb.Never},
		{"its handler failed", t.Context(), errors.New("no such book"), lb.Success, lb.Never},
		{"the caller went away", gone, status.Error(codes.Canceled, ""), lb.Ignored, lb.Never},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := adsumgrpc.Result(test.ctx, test.err); got != test.result {
				t.Errorf("result %v, want %v", got, test.result)
			}
			if got := adsumgrpc.Verdict(test.err).Safety; got != test.safety {
				t.Errorf("safety %v, want %v", got, test.safety)
			}
		})
	}
}

func TestATryIsFreeWhenThereWasNoConnection(t *testing.T) {
	plain := serveEmpty(t)
	for _, test := range []struct {
		name, addr string
		creds      credentials.TransportCredentials
		free       bool
	}{
		{"nothing listens", "127.0.0.1:1", insecure.NewCredentials(), true},
		{"no handshake", plain, credentials.NewTLS(&tls.Config{}), true},
		{"the server says so", plain, insecure.NewCredentials(), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn, err := grpc.NewClient(test.addr, grpc.WithTransportCredentials(test.creds))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			err = conn.Invoke(t.Context(), "/no/Such", &emptypb.Empty{}, &emptypb.Empty{})
			if status.Code(err) == codes.Unimplemented {
				err = status.Error(codes.Unavailable, "the disk is full")
			}
			if got := adsumgrpc.Verdict(err); got.Free != test.free || got.Safety != lb.IfIdempotent {
				t.Errorf("%v: %+v", err, got)
			}
		})
	}
}

// serveEmpty serves no methods until the test ends.
func serveEmpty(t *testing.T) (addr string) {
	t.Helper()
	server, listener, done := grpc.NewServer(), listen(t), make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return listener.Addr().String()
}
