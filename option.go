package adsum

import (
	"cmp"
	"log/slog"
	"time"
)

// DefaultTTL is for how long a record outlives a crashed owner unless
// [WithTTL] says otherwise. Short enough to notice, long enough to sit out a
// leader election.
const DefaultTTL = 15 * time.Second

// RegisterOption adjusts [Register].
type RegisterOption interface{ applyRegister(*registerConfig) }

// DirectoryOption adjusts [NewDirectory].
type DirectoryOption interface{ applyDirectory(*directoryConfig) }

// Option adjusts both.
type Option interface {
	RegisterOption
	DirectoryOption
}

type registerConfig struct {
	ttl           time.Duration
	criticalAfter time.Duration
	logger        *slog.Logger
}

type directoryConfig struct {
	cacheFolder string
	cacheMaxAge time.Duration
	maxServices int
	idleTimeout time.Duration
	logger      *slog.Logger
}

// WithTTL sets for how long the record outlives its owner, [DefaultTTL] if
// not given. The registry's own bounds apply.
func WithTTL(ttl time.Duration) RegisterOption {
	return registerOption(func(c *registerConfig) { c.ttl = ttl })
}

// WithDeregisterCriticalAfter withdraws the record once the instance has been
// [Critical] for that long, and publishes it again when it is better. Without
// it, a critical instance stays published as critical.
func WithDeregisterCriticalAfter(d time.Duration) RegisterOption {
	return registerOption(func(c *registerConfig) { c.criticalAfter = d })
}

// WithCache keeps the last known good of every service in the folder, one
// file each, mode 0600. A Directory that starts while the registry is down
// comes up with it, flagged stale. The folder is made when it is missing; use
// one per registry.
func WithCache(folder string) DirectoryOption {
	return directoryOption(func(c *directoryConfig) { c.cacheFolder = folder })
}

// WithCacheMaxAge sets how old a file of [WithCache] may be, 24 hours if not
// given. An older one is ignored.
func WithCacheMaxAge(d time.Duration) DirectoryOption {
	return directoryOption(func(c *directoryConfig) { c.cacheMaxAge = d })
}

// WithMaxServices bounds how many services are watched at a time, 4096 if not
// given, so that a caller that invents names cannot open watches without end.
func WithMaxServices(n int) DirectoryOption {
	return directoryOption(func(c *directoryConfig) { c.maxServices = n })
}

// WithIdleTimeout sets after how long a watch that nobody uses ends, 10
// minutes if not given.
func WithIdleTimeout(d time.Duration) DirectoryOption {
	return directoryOption(func(c *directoryConfig) { c.idleTimeout = d })
}

// WithLogger sets where edges are logged, [slog.Default] if not given or nil.
func WithLogger(logger *slog.Logger) Option { return loggerOption{cmp.Or(logger, slog.Default())} }

type registerOption func(*registerConfig)

func (o registerOption) applyRegister(c *registerConfig) { o(c) }

type directoryOption func(*directoryConfig)

func (o directoryOption) applyDirectory(c *directoryConfig) { o(c) }

type loggerOption struct{ logger *slog.Logger }

func (o loggerOption) applyRegister(c *registerConfig)   { c.logger = o.logger }
func (o loggerOption) applyDirectory(c *directoryConfig) { c.logger = o.logger }
