package cli

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

// defaultRegistry is where adsum serve listens, and etcd itself.
const defaultRegistry = "etcd://127.0.0.1:2379/services"

// Factory gives commands what they share: streams and the global flags.
type Factory struct {
	Streams
	Openers adsum.Openers

	RegistryURL string // "" means ADSUM_REGISTRY, else defaultRegistry
	Output      Format
	Timeout     time.Duration
	NoColor     bool
	Verbose     bool
}

// Registry opens the registry that --registry names. It does no I/O.
func (f *Factory) Registry() (adsum.Registry, error) {
	return f.Openers.Open(f.registryURL())
}

func (f *Factory) registryURL() string {
	return cmp.Or(f.RegistryURL, os.Getenv("ADSUM_REGISTRY"), defaultRegistry)
}

// Colours tells whether standard output is to be coloured.
func (f *Factory) Colours() bool {
	return f.OutTerminal && !f.NoColor && os.Getenv("TERM") != "dumb"
}

// Notef writes a line for people to Err. What it says may come from anywhere.
func (f *Factory) Notef(format string, args ...any) {
	fmt.Fprintln(f.Err, term.Clean(fmt.Sprintf(format, args...)))
}

// Logger is where the library reports: errors only, unless --verbose.
func (f *Factory) Logger() *slog.Logger {
	level := slog.LevelError
	if f.Verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(f.Err, &slog.HandlerOptions{Level: level}))
}
