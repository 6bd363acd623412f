package cli

import (
	"context"
	"errors"
	"io"
)

// errParentGone ends a process that was started to last as long as another.
var errParentGone = errors.New("standard input ended")

// whileReadable ends the context when in ends: a pipe that a parent process
// holds does when that process is gone, however it went.
func whileReadable(ctx context.Context, in io.Reader) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		io.Copy(io.Discard, in)
		cancel(errParentGone)
	}()
	return ctx
}
