package consul

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// explain wraps what the agent answered into the errors of the contract,
// saying what was tried.
func (r *Registry) explain(tried string, err error) error {
	err = bounded(err)
	switch {
	case err == nil:
		return nil
	case r.ctx.Err() != nil:
		return fmt.Errorf("consul: %s: %w", tried, adsum.ErrClosed)
	case answered(err, http.StatusForbidden) && !errors.Is(err, adsum.ErrDenied):
		return fmt.Errorf("consul: %s: %w: %w", tried, adsum.ErrDenied, err)
	case untrusted(err):
		return fmt.Errorf("consul: %s: %w: %w", tried, adsum.ErrUntrusted, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("consul: %s: no answer from %s: %w", tried, r.name, err)
	}
	return fmt.Errorf("consul: %s: %w", tried, err)
}

// bounded makes one short line of the answer that is in an error: whatever else
// listens there answers with its pages. It says what is likely where no JSON came.
func bounded(err error) error {
	if status, ok := errors.AsType[api.StatusError](err); ok {
		return shortened{err, strings.ReplaceAll(err.Error(), status.Body, brief(status.Body))}
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("the answer is no JSON: is it Consul that listens there? %w", err)
	}
	return err
}

// shortened is an error with another text.
type shortened struct {
	error
	text string
}

func (s shortened) Error() string { return s.text }
func (s shortened) Unwrap() error { return s.error }

// answered reports whether the agent answered with that HTTP status.
func answered(err error, code int) bool {
	status, ok := errors.AsType[api.StatusError](err)
	return ok && status.Code == code
}

// untrusted tells certificates that do not verify, ours or the agent's, from
// connections that break.
func untrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" { // a TLS alert
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	return plain || errors.Is(err, errBadFile)
}

// errBadFile marks a certificate file that cannot be used.
var errBadFile = errors.New("unusable certificate file")
