package cli

import (
	"time"

	"github.com/adsum-go/adsum"
)

// longestTTL is the longest that makes sense in any registry: for as long, the
// records of a machine that died are offered to callers.
const longestTTL = 24 * time.Hour

// checkTTL refuses a --ttl that the registry cannot grant. The library brings it
// within the bounds; a person should know that it is not what was asked for.
func checkTTL(registry adsum.Registry, ttl time.Duration) error {
	caps := registry.Capabilities()
	switch {
	case ttl <= 0:
		return usagef("--ttl %s: give some seconds", ttl)
	case caps.MaxTTL != 0 && caps.MaxTTL < longestTTL && ttl > caps.MaxTTL:
		return usagef("--ttl %s: %s grants at most %s", ttl, caps.Registry, caps.MaxTTL)
	case ttl > longestTTL:
		return usagef("--ttl %s: give at most %s; for as long, callers are sent to a copy that died", ttl, longestTTL)
	}
	return nil
}

// noteTTL tells when a record lives for longer than was asked for.
func (f *Factory) noteTTL(registry adsum.Registry, ttl time.Duration) {
	if caps := registry.Capabilities(); ttl < caps.MinTTL {
		f.Notef("--ttl %s: %s grants %s at least, and that is what it is", ttl, caps.Registry, caps.MinTTL)
	}
}
