package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/adsum-go/adsum"
)

// The exit codes, the same for every command. run exits with its child's.
const (
	exitOK       = 0
	exitUsage    = 1 // the command line makes no sense
	exitConnect  = 2 // the registry, or a port, could not be reached
	exitFailed   = 3 // it was reached, and refused or failed
	exitNotFound = 4 // there is no such thing, or nothing that serves
	exitTimeout  = 5 // no answer within --timeout
)

// exitCode ends the command with that code and without a message, where
// what is to be said was said.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// codedError is an error that knows its exit code.
type codedError struct {
	code int
	error
}

func (e codedError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return codedError{exitUsage, fmt.Errorf(format, args...)}
}

func codef(code int, format string, args ...any) error {
	return codedError{code, fmt.Errorf(format, args...)}
}

// endedWhile is the error of a command that was stopped before it was done, as
// by Ctrl-C.
func endedWhile(ctx context.Context, doing string) error {
	return codef(exitFailed, "%w while %s", context.Cause(ctx), doing)
}

func codeOf(err error) int {
	var quiet exitCode
	var coded codedError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &quiet):
		return int(quiet)
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, adsum.ErrInvalid):
		return exitUsage
	case errors.Is(err, adsum.ErrNotFound):
		return exitNotFound
	case errors.Is(err, adsum.ErrDenied), errors.Is(err, adsum.ErrUnsupported), errors.Is(err, adsum.ErrSuperseded):
		return exitFailed
	case errors.Is(err, adsum.ErrUntrusted):
		return exitConnect
	case errors.Is(err, context.DeadlineExceeded):
		return exitTimeout
	}
	return exitFailed
}
