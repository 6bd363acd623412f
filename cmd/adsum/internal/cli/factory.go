package cli

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"github.com/adsum-go/adsum"
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
}

// Registry opens the registry that --registry names. It does no I/O.
func (f *Factory) Registry() (adsum.Registry, error) {
	return f.Openers.Open(cmp.Or(f.RegistryURL, os.Getenv("ADSUM_REGISTRY"), defaultRegistry))
}

// Notef writes a line for people to Err.
func (f *Factory) Notef(format string, args ...any) {
	fmt.Fprintf(f.Err, format+"\n", args...)
}
