package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/adsum-go/adsum/cmd/adsum/internal/etcdserver"
)

type serveOptions struct {
	*Factory
	etcdserver.Config
	Insecure   bool
	WhileStdin bool
}

func newCmdServe(f *Factory, runF func(context.Context, *serveOptions) error) *cobra.Command {
	opts := &serveOptions{Factory: f}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve a real etcd, until stopped",
		Long: `Serve a real etcd of one member until SIGTERM or Ctrl-C.

It listens on loopback only, because whoever reaches it may read and write
everything. To listen elsewhere, make clients show a certificate (--cert, --key
and --client-ca), or say --insecure.

Once it is ready, standard output gets one line: the URL for --registry and
ADSUM_REGISTRY.`,
		Example: `  adsum serve
  adsum serve --data ~/.local/share/adsum        # kept over restarts
  adsum serve --listen 127.0.0.1:0               # any free port
  etcdctl --endpoints 127.0.0.1:2379 get --prefix /services/`,
		Args: exactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if runF != nil {
				return runF(cmd.Context(), opts)
			}
			return runServe(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Listen, "listen", "127.0.0.1:2379", "host:port to listen on; port 0 takes a free one")
	flags.StringVar(&opts.Dir, "data", "", "folder that keeps the data over restarts (default: a temporary one)")
	flags.StringVar(&opts.CertFile, "cert", "", "PEM file with the server's certificate")
	flags.StringVar(&opts.KeyFile, "key", "", "PEM file with its key")
	flags.StringVar(&opts.ClientCAFile, "client-ca", "", "PEM file with the authority of the clients' certificates")
	flags.BoolVar(&opts.Insecure, "insecure", false, "listen beyond loopback without asking clients for a certificate")
	flags.BoolVar(&opts.WhileStdin, "while-stdin", false, "end when standard input does")
	return cmd
}

func runServe(ctx context.Context, opts *serveOptions) error {
	if err := opts.checkExposure(); err != nil {
		return err
	}
	if opts.WhileStdin {
		ctx = whileReadable(ctx, opts.In)
	}
	start := time.Now()
	server, err := etcdserver.Start(ctx, opts.Config)
	if ctx.Err() != nil {
		return nil
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return codef(exitConnect, "%s is in use: if an etcd runs there already, use it, or choose another port with --listen", opts.Listen)
	}
	if err != nil {
		return err
	}
	opts.announce(server.Addr(), time.Since(start))
	select {
	case <-ctx.Done():
		return server.Close()
	case err := <-server.Err():
		return errors.Join(fmt.Errorf("etcd stopped: %w", err), server.Close())
	}
}

// announce says how to reach the server: to programs on Out, to people on Err.
func (opts *serveOptions) announce(addr string, took time.Duration) {
	_, port, _ := net.SplitHostPort(addr)
	host := reachable(addr)
	scheme, query := "http", ""
	if opts.CertFile != "" {
		scheme, query = "https", "?tls=true"
	}
	registry := "etcd://" + net.JoinHostPort(host, port) + "/services" + query
	fmt.Fprintln(opts.Out, registry)
	data := "in a temporary folder, gone when this ends"
	if opts.Dir != "" {
		data = "in " + opts.Dir
	}
	opts.Notef("%s listens on %s (%s), ready after %s; data %s", "etcd "+readBuild().Etcd, addr, scheme, took.Round(time.Millisecond), data)
	opts.Notef("  adsum:   export ADSUM_REGISTRY=%s", registry)
	opts.Notef("  etcdctl: etcdctl --endpoints %s://%s get --prefix /services/", scheme, net.JoinHostPort(host, port))
}

// reachable is the host to connect to: where a server listens on every
// address, the name of this machine.
func reachable(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsUnspecified() {
		return host
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "127.0.0.1"
}

// checkExposure keeps an open registry off the network unless told otherwise.
func (opts *serveOptions) checkExposure() error {
	host, port, err := net.SplitHostPort(opts.Listen)
	if err != nil || !isPort(port) {
		return usagef("--listen %s: give host:port, for example 127.0.0.1:2379", opts.Listen)
	}
	if (opts.CertFile == "") != (opts.KeyFile == "") {
		return usagef("--cert and --key go together: a certificate is of no use without its key")
	}
	if opts.ClientCAFile != "" && opts.CertFile == "" {
		return usagef("--client-ca needs --cert and --key: certificates are shown inside TLS")
	}
	if loopback(host) || opts.ClientCAFile != "" {
		return nil
	}
	if !opts.Insecure {
		return usagef("--listen %s: whoever reaches that address could read and change every registration; "+
			"ask clients for a certificate with --cert, --key and --client-ca, or say --insecure", opts.Listen)
	}
	opts.Notef("WARNING: listening on %s without credentials: whoever reaches it can read and change every registration", opts.Listen)
	return nil
}

// isPort tells whether something can listen there; at 0 the system chooses.
func isPort(port string) bool {
	_, err := net.LookupPort("tcp", port)
	return err == nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
