package adsum

import (
	"errors"
	"fmt"
)

// The errors of this package and of every driver. They arrive wrapped, with
// what was tried and what to do next; match them with [errors.Is].
var (
	// ErrInvalid marks input that was refused before anything was written.
	// The error is an [*InvalidError].
	ErrInvalid = errors.New("invalid")
	// ErrDenied says that the registry refused the credentials or the right
	// to do this. It does not go away by itself; a supervisor still tries
	// again, slowly, because credentials are rotated.
	ErrDenied = errors.New("access denied")
	// ErrUntrusted says that the registry's certificate, or ours, did not
	// verify: wrong authority, wrong name, expired.
	ErrUntrusted = errors.New("certificate not trusted")
	// ErrUnsupported says that this registry cannot do this at all.
	ErrUnsupported = errors.New("unsupported by this registry")
	// ErrNotFound says that there is no such record.
	ErrNotFound = errors.New("not found")
	// ErrLeaseLost says that the record is no longer kept alive: its lease
	// ran out, the registry lost it, or somebody removed it.
	ErrLeaseLost = errors.New("lease lost")
	// ErrSuperseded says that a younger owner holds this id.
	ErrSuperseded = errors.New("superseded by a younger owner")
	// ErrNotRegistered is what [Registration.Ready] reports while the
	// registry does not hold the instance.
	ErrNotRegistered = errors.New("not registered")
	// ErrNoSnapshot says that the registry has not yet answered and that
	// there is no last known good to go by.
	ErrNoSnapshot = errors.New("no snapshot yet")
	// ErrTooManyServices says that a Directory watches as many services as
	// it may.
	ErrTooManyServices = errors.New("too many services watched")
	// ErrSilent says that a watch gave no sign of life for too long.
	ErrSilent = errors.New("watch is silent")
	// ErrMemoryLost says that the registry came back empty, with an older
	// state, or after an outage in which leases may have run out, so that what
	// it does not list may still be running.
	ErrMemoryLost = errors.New("registry lost its memory")
	// ErrClosed says that the thing was closed by its owner.
	ErrClosed = errors.New("closed")
)

// InvalidError says which field was refused, why, and what to do.
type InvalidError struct {
	Field   string // such as "service" or "addr"
	Value   string // what was given, quoted and cut for printing
	Problem string // what is wrong with it
	Fix     string // what to do next
}

func (e *InvalidError) Error() string {
	s := fmt.Sprintf("invalid %s", e.Field)
	if e.Value != "" {
		s += " " + e.Value
	}
	s += ": " + e.Problem
	if e.Fix != "" {
		s += "; " + e.Fix
	}
	return s
}

// Is makes errors.Is(err, ErrInvalid) true.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// Final reports whether trying the same again is pointless until somebody
// changes something: bad input, no permission, no trust, not supported.
func Final(err error) bool {
	for _, final := range []error{ErrInvalid, ErrDenied, ErrUntrusted, ErrUnsupported, ErrSuperseded, ErrClosed} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}
