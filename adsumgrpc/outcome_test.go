package adsumgrpc_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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
