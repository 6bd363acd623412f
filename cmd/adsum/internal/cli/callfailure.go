package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/cmd/adsum/internal/caller"
	"github.com/adsum-go/adsum/lb"
)

// describeFailure gives an error from before the first call its exit code.
func describeFailure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, caller.ErrRequest):
		return codedError{exitUsage, err}
	case errors.Is(err, caller.ErrNoReflection):
		return codef(exitFailed, "%w; --proto names the .proto file that describes it", err)
	case isStatus(err):
		return codef(failureCode(caller.Answer{Err: err}), "ask the service for its methods: %s", failureText(err))
	}
	return err
}

func isStatus(err error) bool {
	_, ok := status.FromError(err)
	return ok
}

// failureCode is the exit code for one call.
func failureCode(a caller.Answer) int {
	var op *net.OpError
	var distrust *tls.CertificateVerificationError
	switch {
	case a.Err == nil:
		return exitOK
	case status.Code(a.Err) == codes.Unavailable && a.Copy.ID == "":
		return exitConnect
	case errors.Is(a.Err, lb.ErrNoEndpoint):
		return exitNotFound
	case errors.Is(a.Err, context.DeadlineExceeded), status.Code(a.Err) == codes.DeadlineExceeded:
		return exitTimeout
	case errors.As(a.Err, &op) && op.Op == "dial", errors.As(a.Err, &distrust):
		return exitConnect
	}
	return exitFailed
}

// failureText is the error in one line, a status of gRPC as its code and
// what the server says.
func failureText(err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Code().String() + ": " + s.Message()
	}
	return err.Error()
}
