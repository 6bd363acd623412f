package cli

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum/cmd/adsum/internal/caller"
)

type callOptions struct {
	*Factory
	callFlags
	Calls, Concurrency int
}

func newCmdCall(f *Factory, runF func(context.Context, *callOptions) error) *cobra.Command {
	opts := &callOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "call NAME METHOD|PATH",
		Short: "Call a service, and see which copy answers",
		Long: `Call a method of gRPC, or a path of HTTP if it begins with /, on the copies of a
service, chosen by --policy as a program's calls are. What methods there are, the
service says itself by reflection, or a file that --proto names does; messages go
in and come out as JSON.

One call prints the answer; several (-n) print a line each, and at the end how
they spread over the copies. --timeout bounds each call.

--policy-file reads all of the balancing from a file: policy, filters, ejection,
limits, retries, hedging. In YAML it may look like this:

  policy: least_request
  zone: eu-1a
  retry: {max: 2, per_try: 500ms}

If a call fails the exit code is 3; it is 2, 4 or 5 if none could connect, found
a copy to call, or was answered in time.`,
		Example: `  adsum call book book.BookService/GetBookInfo -d '{"book_id":1}'
  adsum call book book.BookService/GetBookInfo -d '{"book_id":1}' -n 100 -c 10 --policy least_request
  adsum call book book.BookService/GetBookInfo -d @request.json --proto book.proto
  adsum call web /list -n 4 --policy round_robin
  adsum call web /list -n 1000 -c 10 --hedge 0.99
  adsum call web /list -n 100 --policy-file balancing.yaml
  adsum call web /orders -d '{"book":1}' -H 'Authorization: Bearer …'`,
		Args:              exactArgs(2),
		ValidArgsFunction: f.completeService,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Service, opts.Target = args[0], args[1]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runCall(cmd.Context(), opts)
		},
	}
	opts.add(cmd)
	cmd.Flags().IntVarP(&opts.Calls, "calls", "n", 1, "how many calls to make")
	cmd.Flags().IntVarP(&opts.Concurrency, "concurrency", "c", 1, "how many at a time")
	return cmd
}

func runCall(ctx context.Context, opts *callOptions) error {
	if opts.Calls < 1 || opts.Concurrency < 1 {
		return usagef("--calls %d, --concurrency %d: 1 is the least", opts.Calls, opts.Concurrency)
	}
	config, err := opts.config(opts.In)
	if err != nil {
		return err
	}
	unfollow, err := opts.followPolicy(&config, opts.Logger())
	if err != nil {
		return err
	}
	defer unfollow()
	t, err := opts.open(ctx, &opts.callFlags, config, opts.Calls > 1)
	if err != nil {
		return err
	}
	defer t.Close()
	report := newCallReport(opts.Factory, opts.Calls)
	opts.callAll(ctx, t, report)
	return report.finish(ctx)
}

// callAll makes the calls and reports each as it ends. It stops early when ctx
// ends or nothing can be written any more.
func (opts *callOptions) callAll(ctx context.Context, t *target, report *callReport) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var started atomic.Int64
	var workers sync.WaitGroup
	for range min(opts.Concurrency, opts.Calls) {
		workers.Go(func() {
			for n := started.Add(1); n <= int64(opts.Calls) && ctx.Err() == nil; n = started.Add(1) {
				start := time.Now()
				if !report.add(int(n), start, opts.callOnce(ctx, t)) {
					stop()
				}
			}
		})
	}
	workers.Wait()
}

func (opts *callOptions) callOnce(ctx context.Context, t *target) caller.Answer {
	ctx, cancel := opts.bounded(ctx)
	defer cancel()
	return t.Call(ctx)
}
