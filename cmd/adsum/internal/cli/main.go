// Package cli holds the commands of adsum, one a file.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

// sameRequest is how long further signals count as the same request to end:
// Linux sends one for every thread of a dying parent, and a terminal's Ctrl-C
// may come together with a supervisor's SIGTERM.
const sameRequest = 300 * time.Millisecond

// stopped is why the context of a command ended: a signal asked for it.
type stopped struct{ signal os.Signal }

func (s stopped) Error() string { return "stopped by " + s.signal.String() }

// Main runs the command line args and returns the exit code. The first
// SIGINT, SIGTERM or SIGHUP asks the command to end, a second one ends it.
func Main(args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		cancel(stopped{<-signals})
		time.Sleep(sameRequest)
		signal.Stop(signals)
	}()
	return Run(ctx, args, SystemStreams(), openers())
}

// Run runs the command line args on the given streams, with the registries of
// the table, and returns the exit code. Ending ctx ends the command as a
// signal would.
func Run(ctx context.Context, args []string, streams Streams, openers adsum.Openers) int {
	root := newCmdRoot(&Factory{Streams: streams, Openers: openers})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var quiet exitCode
	if err != nil && !errors.As(err, &quiet) {
		fmt.Fprintln(streams.Err, "adsum: "+cleanLines(err.Error()))
	}
	return codeOf(err)
}

// cleanLines cleans a message of several lines.
func cleanLines(message string) string {
	lines := strings.Split(message, "\n")
	for i := range lines {
		lines[i] = term.Clean(lines[i])
	}
	return strings.Join(lines, "\n       ")
}
