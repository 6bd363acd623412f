package cli

import (
	"context"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum/cmd/adsum/internal/load"
)

// maxRate is more than one process gets out.
const maxRate = 1_000_000

type benchOptions struct {
	*Factory
	callFlags
	adminFlags
	load.Plan
}

func newCmdBench(f *Factory, runF func(context.Context, *benchOptions) error) *cobra.Command {
	opts := &benchOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "bench NAME METHOD|PATH",
		Short: "Measure a service under a constant rate of calls",
		Long: `Make the call of 'adsum call' at a constant rate, and show how many calls each
copy had, how many failed, and how long they took.

The rate is kept whether answers come or not, and latencies count from when a call
was due, not from when it could be sent: a copy that hangs for a second shows in
the latency of all calls that were due in that second. Calls that failed count
like others. Those that were still not sent when time was up, because --in-flight
were under way, are told apart.

What --policy-file names is followed: change the file, and the next calls go by it.
A file that has become bad changes nothing, and an error says why.

-o json prints a report at the end, -o jsonl one each second as well; its last
line has "final": true. The exit codes are those of 'adsum call'.`,
		Example: `  adsum bench book book.BookService/GetBookInfo -d '{"book_id":1}' --rate 500 --duration 30s
  adsum bench web /list --policy least_request -o json
  adsum bench web /list --policy-file balancing.yaml --duration 5m
  adsum bench web /list -o jsonl | jq -c '[.copies[] | {(.id): .calls}] | add'`,
		Args:              exactArgs(2),
		ValidArgsFunction: f.completeService,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Service, opts.Target = args[0], args[1]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runBench(cmd.Context(), opts)
		},
	}
	opts.add(cmd)
	opts.addMetrics(cmd.Flags())
	cmd.Flags().Float64Var(&opts.Rate, "rate", 100, "calls a second")
	cmd.Flags().DurationVar(&opts.Duration, "duration", 10*time.Second, "for how long")
	cmd.Flags().IntVar(&opts.InFlight, "in-flight", 1000, "how many calls may be under way at once")
	return cmd
}

func runBench(ctx context.Context, opts *benchOptions) error {
	if !(opts.Rate > 0 && opts.Rate <= maxRate) {
		return usagef("--rate %g: more than 0, and %d at most", opts.Rate, maxRate)
	}
	if opts.InFlight < 1 {
		return usagef("--in-flight %d: at least one call must be allowed", opts.InFlight)
	}
	if opts.Duration <= 0 {
		return usagef("--duration %s: give a time above 0, such as 10s", opts.Duration)
	}
	if opts.Calls() < 1 {
		return usagef("--rate %g for --duration %s is no call at all; raise one of them", opts.Rate, opts.Duration)
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
	admin, err := opts.openAdmin(opts.adminFlags)
	if err != nil {
		return err
	}
	defer admin.close()
	config.Discard, config.Observer = true, admin.observer()
	t, err := opts.open(ctx, &opts.callFlags, config, true)
	if err != nil {
		return err
	}
	defer t.Close()
	defer admin.Directory(t.dir)()
	report := newBenchReport(opts, config.PolicyName)
	opts.measure(ctx, t, report)
	return report.finish(ctx)
}

// measure makes the calls, and reports each second meanwhile.
func (opts *benchOptions) measure(ctx context.Context, t *target, report *benchReport) {
	ticking, stop := context.WithCancel(ctx)
	var ticker sync.WaitGroup
	ticker.Go(func() { report.everySecond(ticking) })
	report.unsent = opts.Run(ctx, func(due time.Time) {
		// Not ctx: calls under way when it ends have their time, too.
		calling, cancel := opts.bounded(context.WithoutCancel(ctx))
		defer cancel()
		report.add(t.Call(calling), time.Since(due))
	})
	stop()
	ticker.Wait()
}
