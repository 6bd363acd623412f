package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum"
)

type watchOptions struct {
	*Factory
	adminFlags
	Service string
}

func newCmdWatch(f *Factory, runF func(context.Context, *watchOptions) error) *cobra.Command {
	opts := &watchOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "watch NAME",
		Short: "Show every change of a service as it happens",
		Long: `Show what is added, removed and changed in a service, until stopped. At first
every instance there is counts as added. A registry that falls silent removes
nothing: the list turns stale, which is a change too, and is kept.

The objects of -o jsonl have the keys time, service, generation, stale, added,
removed, changed and total; later versions only add to them. Those in changed
are instances as they are now, with what they were before under was.

Without a first answer within --timeout the command ends; later it waits for
ever.`,
		Example: `  adsum watch book
  adsum watch book -o jsonl | jq -c '{time, total, stale}'`,
		Args:              exactArgs(1),
		ValidArgsFunction: f.completeService,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.Service = args[0]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runWatch(cmd.Context(), opts)
		},
	}
	opts.addMetrics(cmd.Flags())
	return cmd
}

func runWatch(ctx context.Context, opts *watchOptions) error {
	registry, err := opts.Registry()
	if err != nil {
		return err
	}
	defer registry.Close()
	admin, err := opts.openAdmin(opts.adminFlags)
	if err != nil {
		return err
	}
	defer admin.close()
	dir := adsum.NewDirectory(registry, adsum.WithLogger(opts.Logger()))
	defer dir.Close()
	view, err := dir.Open(opts.Service)
	if err != nil {
		return err
	}
	defer view.Close()
	admin.Directory(dir)
	opts.noteDelay(opts.Service, registry.Capabilities())
	if err := opts.firstAnswer(ctx, registry, view); err != nil {
		if ctx.Err() != nil {
			return nil // to stop it is how a watch ends
		}
		return err
	}
	wasStale := false
	for change := range view.Changes(ctx) {
		opts.noteSkipped(change.Snapshot.Skipped)
		if err := opts.printChange(change, wasStale); err != nil {
			return err
		}
		wasStale = change.Snapshot.Stale()
	}
	return nil
}

// slowRegistry is the delay of changes that a person who watches should know.
const slowRegistry = 5 * time.Second

// noteDelay tells what is watched where, and how late that registry may be.
func (f *Factory) noteDelay(service string, c adsum.Capabilities) {
	f.Notef("watching %q in %s", service, c.Registry)
	if c.Propagation > slowRegistry {
		f.Notef("in that registry a change may take up to %s to show", c.Propagation.Round(time.Second))
	}
}

// changeEvent is one line of -o jsonl.
type changeEvent struct {
	Time       time.Time         `json:"time"`
	Service    string            `json:"service"`
	Generation uint64            `json:"generation"`
	Stale      bool              `json:"stale"`
	Added      []*adsum.Instance `json:"added"`
	Removed    []*adsum.Instance `json:"removed"`
	Changed    []changedInstance `json:"changed"`
	Total      int               `json:"total"`
}

// changedInstance is an instance with what it was before.
type changedInstance adsum.Replaced

// MarshalJSON writes the keys of the instance, and was.
func (c changedInstance) MarshalJSON() ([]byte, error) {
	now, err := json.Marshal(c.New)
	if err != nil {
		return nil, err
	}
	was, err := json.Marshal(c.Old)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(now[:len(now)-1], `,"was":%s}`, was), nil
}

func newChangeEvent(c adsum.Change) changeEvent {
	e := changeEvent{
		Time: c.Time, Service: c.Snapshot.Service, Generation: c.Snapshot.Generation, Stale: c.Snapshot.Stale(),
		Added:   append([]*adsum.Instance{}, c.Added...),
		Removed: append([]*adsum.Instance{}, c.Removed...),
		Changed: []changedInstance{},
		Total:   len(c.Snapshot.Instances),
	}
	for _, r := range c.Changed {
		e.Changed = append(e.Changed, changedInstance(r))
	}
	return e
}

// printChange writes a change in the chosen form. A stream has no end to
// close a document at, so json is jsonl.
func (opts *watchOptions) printChange(c adsum.Change, wasStale bool) error {
	switch opts.Output {
	case FormatJSON, FormatJSONL:
		return opts.printJSON(newChangeEvent(c), "")
	case FormatYAML:
		if _, err := fmt.Fprintln(opts.Out, "---"); err != nil {
			return err
		}
		return opts.print(newChangeEvent(c), nil)
	}
	return opts.printLines(describe(c, wasStale))
}

func (opts *watchOptions) printLines(lines []changeLine) error {
	for _, line := range lines {
		if err := line.write(opts.Out, opts.Colours()); err != nil {
			return err
		}
	}
	return nil
}
