package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/caller"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/lb/lbfile"
)

// spreadWait is how long the first of several calls waits for copies to be
// connected: long enough for those that answer, no longer for one that hangs.
const spreadWait = time.Second

// callFlags describe the call that call and bench make.
type callFlags struct {
	Service    string
	Target     string // METHOD or PATH
	Data       string
	Headers    []string
	Request    string
	Protos     caller.ProtoFiles
	Policy     string
	PolicyFile string
	Key        string
	Retries    int
	Hedge      float64
	Idempotent bool
	TLS        tlsFlags
	// given tells whether a flag was.
	given func(name string) bool
}

func (c *callFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	c.given = flags.Changed
	flags.StringVarP(&c.Data, "data", "d", "", "what to send: text, @FILE, or - for standard input; JSON over gRPC")
	flags.StringArrayVarP(&c.Headers, "header", "H", nil, "header or metadata, 'Name: value'; may be repeated")
	flags.StringVarP(&c.Request, "request", "X", "", "method of HTTP (default GET, or POST with --data)")
	flags.StringSliceVar(&c.Protos.Names, "proto", nil, ".proto file that describes the method, instead of reflection; may be repeated")
	flags.StringSliceVar(&c.Protos.Imports, "proto-path", nil, "folder to look imports of --proto up in; may be repeated")
	flags.StringVar(&c.Policy, "policy", "", "how copies are chosen: "+strings.Join(policyNames(), ", ")+"\n(default peak_ewma, with ejection of copies that fail)")
	flags.StringVar(&c.PolicyFile, "policy-file", "", "file with all of the balancing, JSON or YAML,\ninstead of --policy, --retries and --hedge")
	flags.StringVar(&c.Key, "key", "", "what hashing policies choose by")
	flags.IntVar(&c.Retries, "retries", 2, "further tries of a call that is safe to send again")
	flags.Float64Var(&c.Hedge, "hedge", 0, "send a call that is safe to send again to a second copy once it takes longer than this share of them, such as 0.95; of more than a hundred calls (default: never)")
	flags.BoolVar(&c.Idempotent, "idempotent", false, "it is safe to send again, whatever the method says")
	c.TLS.add(flags)
	_ = cmd.MarkFlagFilename("policy-file", "json", "yaml", "yml")
	_ = cmd.RegisterFlagCompletionFunc("policy", cobra.FixedCompletions(policyNames(), cobra.ShellCompDirectiveNoFileComp))
}

func policyNames() []string {
	var names []string
	for _, policy := range lb.Policies() {
		names = append(names, policy.Name())
	}
	return names
}

// http tells whether the target is a path.
func (c *callFlags) http() bool { return strings.HasPrefix(c.Target, "/") }

// config checks what the flags say, and reads what they name.
func (c *callFlags) config(in io.Reader) (caller.Config, error) {
	config := caller.Config{Service: c.Service, Key: c.Key, Idempotent: c.Idempotent, ServerName: c.TLS.Name, Headers: c.Headers}
	if c.Retries < 0 {
		return config, usagef("--retries %d: 0 is the least", c.Retries)
	}
	if !c.http() && c.Request != "" {
		return config, usagef("--request %s: %s is no path, so this is gRPC; a path begins with /", c.Request, c.Target)
	}
	config.Retry = lb.Retry{Max: c.Retries + 1}
	if c.Hedge != 0 {
		if !(c.Hedge > 0 && c.Hedge < 1) {
			return config, usagef("--hedge %g: a share of the calls, more than 0 and less than 1", c.Hedge)
		}
		config.Hedge = &lb.Hedge{Quantile: c.Hedge}
	}
	var err error
	if config.Policy, err = c.policy(); err != nil {
		return config, usagef("--policy: %w", err)
	}
	if config.TLS, err = c.TLS.config(); err != nil {
		return config, usagef("%w", err)
	}
	if config.Body, err = readData(c.Data, in); err != nil {
		return config, usagef("--data: %w", err)
	}
	return config, nil
}

// policy is the one asked for, else what programs have by default.
func (c *callFlags) policy() (lb.Policy, error) {
	if c.Policy == "" {
		return lb.Routing{}, nil
	}
	return lb.PolicyOf(c.Policy)
}

// followPolicy gives the calls the balancing of --policy-file, if there is one, until
// the function that it returns is called.
func (c *callFlags) followPolicy(config *caller.Config, logger *slog.Logger) (func(), error) {
	if c.PolicyFile == "" {
		return func() {}, nil
	}
	for _, said := range [][2]string{{"policy", "policy"}, {"retries", "retry.max"}, {"hedge", "hedge"}} {
		if c.given(said[0]) {
			return nil, usagef("--policy-file and --%s: the file says that, as %q; leave out one of the flags", said[0], said[1])
		}
	}
	file, err := lbfile.Open(c.PolicyFile, lbfile.Options{Convert: toJSON(), Logger: logger})
	if err != nil {
		return nil, usagef("--policy-file: %w", err)
	}
	config.Live = file.Live()
	return func() { file.Close() }, nil
}

// readData is the text itself, or what @FILE or - name.
func readData(text string, in io.Reader) ([]byte, error) {
	if text == "-" {
		return io.ReadAll(in)
	}
	if name, ok := strings.CutPrefix(text, "@"); ok {
		return os.ReadFile(name)
	}
	return []byte(text), nil
}

// tlsFlags say how connections to the copies are secured.
type tlsFlags struct {
	On, Insecure        bool
	CA, Cert, Key, Name string
}

func (t *tlsFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&t.On, "tls", false, "call by TLS; any other --tls flag implies it")
	flags.StringVar(&t.CA, "tls-ca", "", "certificates to trust, PEM (default: the system's)")
	flags.StringVar(&t.Cert, "tls-cert", "", "certificate to show, PEM")
	flags.StringVar(&t.Key, "tls-key", "", "its key, PEM")
	flags.StringVar(&t.Name, "tls-name", "", "name that the copies' certificates must carry (default: the service's)")
	flags.BoolVar(&t.Insecure, "tls-insecure", false, "trust any certificate")
}

// config is nil for calls in clear.
func (t *tlsFlags) config() (*tls.Config, error) {
	if !t.On && !t.Insecure && cmp.Or(t.CA, t.Cert, t.Key, t.Name) == "" {
		return nil, nil
	}
	config := &tls.Config{InsecureSkipVerify: t.Insecure, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--tls-ca: no certificate in %s", t.CA)
		}
	}
	if t.Cert == "" && t.Key == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// target is a service that is being called.
type target struct {
	caller.Caller
	dir   *adsum.Directory
	view  *adsum.View
	close func()
}

// open finds the service in the registry and makes its caller. spread waits
// until the copies are connected, so that calls spread over all from the start.
func (f *Factory) open(ctx context.Context, call *callFlags, config caller.Config, spread bool) (*target, error) {
	registry, err := f.Registry()
	if err != nil {
		return nil, err
	}
	dir := adsum.NewDirectory(registry, adsum.WithLogger(f.Logger()))
	t := &target{dir: dir, close: func() {
		dir.Close()
		registry.Close()
	}}
	if err = f.openIn(ctx, t, dir, call, config); err == nil && spread {
		f.connect(ctx, t)
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (f *Factory) openIn(ctx context.Context, t *target, dir *adsum.Directory, call *callFlags, config caller.Config) (err error) {
	if t.view, err = dir.Open(call.Service); err != nil {
		return err
	}
	if err := f.firstAnswer(ctx, dir.Registry(), t.view); err != nil {
		return err
	}
	snapshot := t.view.Snapshot()
	f.noteSkipped(snapshot.Skipped)
	if len(snapshot.Select("", true)) == 0 {
		f.noteNone(found{adsum.Listing{Instances: snapshot.Instances}, dir.Registry().Capabilities().Registry}, call.Service, "")
		return exitCode(exitNotFound)
	}
	if call.http() {
		t.Caller, err = caller.HTTP(dir, config, call.Request, call.Target)
	} else {
		bounded, cancel := f.bounded(ctx)
		defer cancel()
		t.Caller, err = caller.GRPC(bounded, dir, config, call.Target, call.Protos)
	}
	if err != nil && ctx.Err() != nil {
		return endedWhile(ctx, "asking the service for its methods")
	}
	return describeFailure(err)
}

// connect gives up early: which copies cannot be reached, the calls will tell.
func (f *Factory) connect(ctx context.Context, t *target) {
	ctx, cancel := context.WithTimeout(ctx, spreadWait)
	defer cancel()
	if err := t.Connect(ctx); err != nil && f.Verbose {
		f.Notef("%v", err)
	}
}

// bounded is ctx within --timeout; 0 is for ever.
func (f *Factory) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.Timeout > 0 {
		return context.WithTimeout(ctx, f.Timeout)
	}
	return context.WithCancel(ctx)
}

// Close ends the calls' connections, and the watch.
func (t *target) Close() {
	if t.Caller != nil {
		t.Caller.Close()
	}
	if t.view != nil {
		t.view.Close()
	}
	t.close()
}
