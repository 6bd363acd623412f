// Package cli holds the commands of adsum, one a file.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

// Main runs the command line args and returns the exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, args, SystemStreams())
}

// Run runs the command line args on the given streams and returns the exit
// code. Ending ctx ends the command as a signal would.
func Run(ctx context.Context, args []string, streams Streams) int {
	f := &Factory{Streams: streams, Openers: openers()}
	root := newCmdRoot(f)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	var quiet exitCode
	if !errors.As(err, &quiet) {
		fmt.Fprintln(streams.Err, "adsum: "+term.Clean(err.Error()))
	}
	return codeOf(err)
}
