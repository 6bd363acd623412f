package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/mirror"
)

type mirrorOptions struct {
	*Factory
	adminFlags
	From, To string
	Services []string
	TTL      time.Duration
}

func newCmdMirror(f *Factory, runF func(context.Context, *mirrorOptions) error) *cobra.Command {
	opts := &mirrorOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "mirror FROM TO",
		Short: "Keep services of one registry registered in another",
		Long: `Register in one registry what another holds, and follow it, until stopped; then
everything is withdrawn again. So callers on both sides see all copies while a
company moves from one registry to another, one service at a time.

What is mirrored carries its origin in its metadata, as ` + mirror.OriginKey + `, and is never
mirrored again: two mirrors may run against each other. An origin that cannot be
reached withdraws nothing. A copy that registers in TO by itself wins over its
mirror image.`,
		Example: `  adsum mirror consul://10.0.0.2:8500 etcd://10.0.0.3:2379/services
  adsum mirror --service book etcd://10.0.0.3:2379/services zk://10.0.0.4:2181/services`,
		Args: exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.From, opts.To = args[0], args[1]
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runMirror(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringArrayVar(&opts.Services, "service", nil, "mirror only this one; may be given again")
	cmd.Flags().DurationVar(&opts.TTL, "ttl", adsum.DefaultTTL, "how long images outlive a mirror that dies")
	opts.addMetrics(cmd.Flags())
	return cmd
}

func runMirror(ctx context.Context, opts *mirrorOptions) error {
	from, err := opts.Openers.Open(opts.From)
	if err != nil {
		return fmt.Errorf("FROM: %w", err)
	}
	defer from.Close()
	to, err := opts.Openers.Open(opts.To)
	if err != nil {
		return fmt.Errorf("TO: %w", err)
	}
	defer to.Close()
	if err := checkTTL(to, opts.TTL); err != nil {
		return err
	}
	opts.noteTTL(to, opts.TTL)
	admin, err := opts.openAdmin(opts.adminFlags)
	if err != nil {
		return err
	}
	defer admin.close()
	return mirror.Run(ctx, from, to, mirror.Options{
		Services: opts.Services,
		TTL:      opts.TTL,
		Observer: mirrorAdmin{admin, from, func() {
			opts.Notef("mirroring from %s to %s, until stopped", from.Capabilities().Registry, to.Capabilities().Registry)
		}},
		// What goes in and out is what this command is there to say.
		Logger: slog.New(slog.NewTextHandler(opts.Err, &slog.HandlerOptions{Level: slog.LevelInfo})),
	})
}

// mirrorAdmin tells the two sides of a mirror apart, which may be of one kind.
type mirrorAdmin struct {
	*admin
	from   adsum.Registry
	starts func() // called when nothing was refused and the mirror begins
}

// Directory reports that of one side, and is ready once that is.
func (m mirrorAdmin) Directory(d *adsum.Directory) (forget func()) {
	role := "to"
	if d.Registry() == m.from {
		role = "from"
		m.starts()
	}
	return m.directory(d, role)
}
