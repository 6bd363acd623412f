package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum"
)

// explain wraps what etcd answered into the errors of the contract, saying
// what was tried.
func (r *Registry) explain(tried string, err error) error {
	if err == nil {
		return nil
	}
	if r.ctx.Err() != nil {
		return fmt.Errorf("etcd: %s: %w", tried, adsum.ErrClosed)
	}
	if denied(err) {
		return fmt.Errorf("etcd: %s: %w: %w", tried, adsum.ErrDenied, err)
	}
	if unreachable(err) {
		if reason := r.trust.failure(); reason != nil {
			return fmt.Errorf("etcd: %s: %w: %w", tried, adsum.ErrUntrusted, reason)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("etcd: %s: no answer from %s: %w", tried, strings.Join(r.client.Endpoints(), ", "), err)
	}
	return fmt.Errorf("etcd: %s: %w", tried, err)
}

// denied covers a missing right as well as credentials that are wrong.
func denied(err error) bool {
	if errors.Is(err, adsum.ErrDenied) {
		return true
	}
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated:
		return true
	}
	switch rpctypes.Error(err) {
	case rpctypes.ErrPermissionDenied, rpctypes.ErrAuthFailed, rpctypes.ErrInvalidAuthToken,
		rpctypes.ErrUserEmpty, rpctypes.ErrAuthOldRevision:
		return true
	}
	return false
}

// forbidden is the part of denied that other credentials do not change: the
// user is known and may not.
func forbidden(err error) bool {
	return status.Code(err) == codes.PermissionDenied || rpctypes.Error(err) == rpctypes.ErrPermissionDenied
}

func unreachable(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded || errors.Is(err, context.DeadlineExceeded)
}

// watchCanceled reads the text by which etcd says why it ended a watch; there
// is no code.
func watchCanceled(reason string, compacted int64) error {
	switch {
	case compacted != 0:
		return rpctypes.ErrCompacted
	case strings.Contains(reason, rpctypes.ErrorDesc(rpctypes.ErrGRPCPermissionDenied)):
		return rpctypes.ErrPermissionDenied
	case strings.Contains(reason, rpctypes.ErrorDesc(rpctypes.ErrGRPCInvalidAuthToken)):
		return rpctypes.ErrInvalidAuthToken
	case strings.Contains(reason, rpctypes.ErrorDesc(rpctypes.ErrGRPCUserEmpty)):
		return rpctypes.ErrUserEmpty
	case reason == "":
		return errors.New("the server ended the watch")
	}
	return fmt.Errorf("the server ended the watch: %s", reason)
}

func isCompacted(err error) bool     { return rpctypes.Error(err) == rpctypes.ErrCompacted }
func isFuture(err error) bool        { return rpctypes.Error(err) == rpctypes.ErrFutureRev }
func isLeaseNotFound(err error) bool { return rpctypes.Error(err) == rpctypes.ErrLeaseNotFound }
