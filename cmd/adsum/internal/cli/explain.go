package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/debug"
	"github.com/adsum-go/adsum/lb"
)

// mostExplained is how many picks a running client is asked for at most.
const mostExplained = 1000

type explainOptions struct {
	*Factory
	Service   string
	From      string
	Policy    string
	Key       string
	Zone      string
	Protocols []string
	Picks     int
}

func newCmdExplain(f *Factory, runF func(context.Context, *explainOptions) error) *cobra.Command {
	opts := &explainOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "explain NAME",
		Short: "Tell why a copy is picked, and the others are not",
		Long: `Pick a copy of a service, and tell how: who was left out and why, who was compared
by which score, who was chosen. Nobody is called.

With --from, this is what a running client would do now, with all that it has
learned, and what it did lately; the client must serve package debug, which answers
callers on its own machine only. Without --from, the copies come from the registry
and the picks are made here, by a client that has called nobody yet.

If there is nobody to pick, or the client does not call the service, the exit code
is 4.`,
		Example: `  adsum explain book --from http://127.0.0.1:6060/debug/adsum
  adsum explain book --from 127.0.0.1:6060 -o json | jq '.[].recent[0]'
  adsum explain book --policy ring_hash --key user-7
  adsum explain book --zone eu-1a -n 100`,
		Args:              exactArgs(1),
		ValidArgsFunction: f.completeService,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Service = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runExplain(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.From, "from", "", "where a running client serves its picks, such as 127.0.0.1:6060; the path is "+debug.Path+" if none is given")
	flags.StringVar(&opts.Policy, "policy", "", "how copies are chosen: "+strings.Join(policyNames(), ", ")+"\n(default peak_ewma)")
	flags.StringVar(&opts.Key, "key", "", "what hashing policies choose by")
	flags.StringVar(&opts.Zone, "zone", "", "where the caller is")
	flags.StringSliceVar(&opts.Protocols, "protocol", nil, "endpoints to prefer, such as grpc or http,https")
	flags.IntVarP(&opts.Picks, "picks", "n", 1, "how many picks to make")
	_ = cmd.RegisterFlagCompletionFunc("policy", cobra.FixedCompletions(policyNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// explained is a client of the service, and its picks, in machine-readable form.
type explained struct {
	// Source is where the picks were made: a URL, or "" for this process.
	Source string `json:"source"`
	debug.Service
}

func runExplain(ctx context.Context, opts *explainOptions) error {
	if err := opts.check(); err != nil {
		return err
	}
	var clients []explained
	var err error
	if opts.From != "" {
		clients, err = opts.ask(ctx)
	} else {
		clients, err = opts.pickHere(ctx)
	}
	if err != nil {
		return err
	}
	if err := opts.print(clients, func() error { return opts.show(clients) }); err != nil {
		return err
	}
	return opts.picked(clients)
}

// picked is nil if anybody was picked; else it says why not.
func (opts *explainOptions) picked(clients []explained) error {
	why := ""
	for _, client := range clients {
		for _, x := range client.Explanations {
			if x.Chosen != "" {
				return nil
			}
			why = x.Error
		}
	}
	opts.Notef("%s", why)
	return exitCode(exitNotFound)
}

func (opts *explainOptions) check() error {
	if err := adsum.ValidateService(opts.Service); err != nil {
		return err
	}
	if opts.Picks < 1 || opts.Picks > mostExplained {
		return usagef("--picks %d: 1 is the least, and %d the most", opts.Picks, mostExplained)
	}
	if opts.From == "" {
		return nil
	}
	for flag, given := range map[string]bool{"--policy": opts.Policy != "", "--zone": opts.Zone != "", "--protocol": len(opts.Protocols) > 0} {
		if given {
			return usagef("%s does not go with --from: a running client has its own", flag)
		}
	}
	return nil
}

// pickHere makes the picks in this process.
func (opts *explainOptions) pickHere(ctx context.Context) ([]explained, error) {
	policy := lb.Routing{Zone: opts.Zone}
	if opts.Policy != "" {
		simple, err := lb.PolicyOf(opts.Policy)
		if err != nil {
			return nil, usagef("--policy: %w", err)
		}
		policy.Policy = simple
	}
	snapshot, err := opts.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	b := lb.New(policy, lb.Options{Protocols: opts.Protocols, Window: -1})
	defer b.Close()
	b.Update(snapshot)
	opts.Notef("picked in this process, which has called nobody yet; --from asks a running client")
	e := explained{Service: debug.Service{Inspection: b.Inspect(), Explanations: []lb.Explanation{}}}
	call := &lb.Call{Key: opts.Key}
	for range opts.Picks {
		e.Explanations = append(e.Explanations, b.Explain(call))
		// So that policies which take turns go on.
		if picked, err := b.Pick(call); err == nil {
			picked.Done(lb.Outcome{Result: lb.Ignored})
		}
	}
	return []explained{e}, nil
}

// snapshot is what the registry knows of the service.
func (opts *explainOptions) snapshot(ctx context.Context) (*adsum.Snapshot, error) {
	registry, err := opts.Registry()
	if err != nil {
		return nil, err
	}
	defer registry.Close()
	dir := adsum.NewDirectory(registry, adsum.WithLogger(opts.Logger()))
	defer dir.Close()
	view, err := dir.Open(opts.Service)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	if err := opts.firstAnswer(ctx, registry, view); err != nil {
		return nil, err
	}
	snapshot := view.Snapshot()
	opts.noteSkipped(snapshot.Skipped)
	return snapshot, nil
}

// sinceText is how long ago something was, for people.
func sinceText(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// title says whose picks these are.
func (e explained) title() string {
	by := "in this process"
	if e.Source != "" {
		by = "over " + e.Transport
	}
	text := fmt.Sprintf("%s %s, by %s; generation %d", e.Service.Service, by, e.Policy, e.Generation)
	switch {
	case e.Generation == 0:
		return text + ": nothing is known yet"
	case e.FromDisk:
		return text + ", from disk: the registry has not answered yet"
	case e.Stale:
		return text + ", STALE: last confirmed " + sinceText(e.AgeSeconds) + " ago"
	default:
		return text + ", confirmed " + sinceText(e.AgeSeconds) + " ago"
	}
}
