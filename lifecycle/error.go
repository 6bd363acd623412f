package lifecycle

import "fmt"

// Phase is a step in the life of a server.
type Phase string

// The steps that can fail, in their order.
const (
	// Register: the instance was refused; nothing was served.
	Register Phase = "register"
	// Serve: the server ended by itself.
	Serve Phase = "serve"
	// Withdraw: the registry did not accept the withdrawal; the record
	// stays until its TTL runs out.
	Withdraw Phase = "withdraw"
	// Stop: calls did not end within the limit and were cut off.
	Stop Phase = "stop"
)

// Error tells which step failed. [Run] returns several joined if several did.
type Error struct {
	Phase Phase
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Phase, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// failed wraps the error of a step; nil stays nil.
func failed(phase Phase, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Phase: phase, Err: err}
}
