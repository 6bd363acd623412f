package cli

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/adsum-go/adsum/lifecycle"
)

type demoServerOptions struct {
	*Factory
	Service, Listen string
	TTL             time.Duration
}

// newCmdDemoServer is a part in the demo: a book server that ends when its
// standard input does.
func newCmdDemoServer(f *Factory, runF func(context.Context, *demoServerOptions) error) *cobra.Command {
	opts := &demoServerOptions{Factory: f}
	cmd := &cobra.Command{
		Use:    "demo-server",
		Short:  "Serve books, as a part of the demo",
		Hidden: true,
		Args:   exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runDemoServer(cmd.Context(), opts)
		},
	}
	cmd.Flags().StringVar(&opts.Service, "service", book.Service, "name to register under")
	cmd.Flags().StringVar(&opts.Listen, "listen", "127.0.0.1:0", "host:port to listen on")
	cmd.Flags().DurationVar(&opts.TTL, "ttl", adsum.DefaultTTL, "how long the record outlives this process if it is killed")
	return cmd
}

func runDemoServer(ctx context.Context, opts *demoServerOptions) error {
	ctx = whileReadable(ctx, opts.In)
	registry, err := opts.Registry()
	if err != nil {
		return err
	}
	defer registry.Close()
	listener, err := net.Listen("tcp", opts.Listen)
	if err != nil {
		return err
	}
	fmt.Fprintln(opts.Out, listener.Addr())
	server := grpc.NewServer()
	bookpb.RegisterBookServiceServer(server, book.Shelf{})
	return adsumgrpc.Serve(ctx, server, listener, registry, adsum.Instance{Service: opts.Service},
		lifecycle.WithRegister(adsum.WithTTL(opts.TTL)), lifecycle.WithLogger(opts.Logger()),
		lifecycle.WithDrainDelay(0)) // nobody calls any more when the demo ends
}
