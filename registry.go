package adsum

import (
	"context"
	"time"
)

// Registry is where instances are published and found: the contract of a
// driver. A driver supplies calls that block and then fail honestly.
// Re-registering, watching again, back-off, staleness, de-duplication and the
// last known good are written once, in [Registration] and [Directory].
//
// All methods are safe for concurrent use. Errors wrap the values of this
// package where one fits ([ErrDenied], [ErrUntrusted], [ErrUnsupported],
// [ErrInvalid], [ErrSuperseded]); any other error means "try again".
// No error carries a secret.
type Registry interface {
	// Register publishes in and returns once the registry accepted it. The
	// Lease keeps the record alive until it is closed or lost. Register
	// blocks until then or until ctx ends; ending ctx after Register
	// returned has no effect on the Lease. in has passed
	// [Instance.Validate]; the driver refuses with [ErrInvalid], before any
	// I/O, what its registry cannot hold.
	//
	// When Register fails, whatever it may have written is withdrawn, or
	// runs out within the TTL.
	//
	// A younger owner of the same id makes it fail with [ErrSuperseded];
	// see [Claim].
	Register(ctx context.Context, in Instance, opts RegisterOptions) (Lease, error)

	// Watch calls emit with the complete set of instances, of every status,
	// at once, after every change, and, contents unchanged, at every proof
	// that the registry is alive and this watch not deaf, at least every
	// [Capabilities.Heartbeat]. It blocks until ctx ends (it then returns
	// nil) or until the watch breaks (it then returns the error); it never
	// retries. Only an authoritative answer is emitted: an error is
	// returned, never emitted as an empty listing. An unknown service is an
	// empty listing, and stays watched.
	//
	// emit is called from one goroutine at a time, does not block for long,
	// and is not called after Watch returned. The instances are immutable
	// from then on; the driver hands out the same pointer for an instance
	// that did not change, which makes the next steps cheap.
	Watch(ctx context.Context, service string, emit func(Listing)) error

	// Capabilities tells what this registry can do. It does no I/O and
	// always returns the same.
	Capabilities() Capabilities

	// Close releases what the driver opened itself. Leases still open are
	// no longer kept alive; watches end with an error that wraps
	// [ErrClosed]. A second call returns nil.
	Close() error
}

// Listing is one authoritative answer of a registry about one service.
type Listing struct {
	// Instances is the complete set, in any order. The slice belongs to the
	// receiver; the instances are shared and immutable.
	Instances []*Instance
	// Skipped are the entries that no codec could read.
	Skipped []Skipped
	// Sequence is the registry's own number of the state listed, which
	// never falls while the registry keeps its memory: etcd's revision,
	// Consul's index, what happened to a directory of ZooKeeper's. 0 if it
	// has none. When it falls, the registry was wiped or restored, and what
	// is missing may merely not be registered again yet.
	Sequence uint64
}

// Skipped is a registry entry that could not be read. It never hides its
// neighbours.
type Skipped struct {
	Key string // where it lies, in the registry's own terms
	Err error  // what is wrong with it
}

// RegisterOptions are the terms of a registration.
type RegisterOptions struct {
	// TTL is how long the record outlives its owner, within the bounds of
	// [Capabilities].
	TTL time.Duration
	// Claim says who publishes.
	Claim Claim
}

// Claim orders the owners of one id, so that two processes never overwrite
// each other's record: of two live owners the younger wins.
type Claim struct {
	// Owner is a random token of one [Registration].
	Owner string
	// Incarnation is 0 for a first claim: the driver then assigns one that
	// is higher than that of any record of this id, from the registry's own
	// sequence where it has one. A registration that comes back after a
	// loss carries the incarnation it was given, and is refused with
	// [ErrSuperseded] when another owner has a higher one.
	Incarnation uint64
}

// YoungerThan orders the owners of one id for a registry whose incarnations
// come from its own sequence, now at the given number. A claim above that
// number was made before the registry lost its memory, so it is older than
// any made since. Where a lost memory made two claims equal, their owners'
// tokens decide, so that all agree on one of them.
func (c Claim) YoungerThan(other Claim, sequence uint64) bool {
	before, otherBefore := c.Incarnation > sequence, other.Incarnation > sequence
	if before != otherBefore {
		return otherBefore
	}
	if c.Incarnation != other.Incarnation {
		return c.Incarnation > other.Incarnation
	}
	return c.Owner > other.Owner
}

// Lease is one published record. All methods are safe for concurrent use.
type Lease interface {
	// Claim returns the claim with the incarnation the driver assigned.
	Claim() Claim
	// Update replaces the record without a gap in which it is missing. It
	// blocks until the registry accepted or ctx ends. Service and ID must
	// be those of Register. It fails with [ErrLeaseLost] or [ErrSuperseded]
	// when the record is no longer this owner's.
	Update(ctx context.Context, in Instance) error
	// Lost is closed when the record is no longer kept alive, or no longer
	// says what was published (a registry restored from a backup), for
	// whatever reason but Close. The lease has then let go of all it held
	// here and needs no Close; one withdraws what the registry may still hold.
	Lost() <-chan struct{}
	// Err says why, once Lost is closed: it wraps [ErrLeaseLost] or
	// [ErrSuperseded]. Before, it is nil.
	Err() error
	// Close withdraws the record if it is still this owner's, and stops
	// keeping it alive even when that fails. It blocks until the registry
	// accepted or ctx ends. A second call returns nil.
	Close(ctx context.Context) error
}

// ServiceWatcher is a [Registry] that can list the services it knows.
type ServiceWatcher interface {
	// WatchServices is [Registry.Watch] for the sorted names of services
	// that have at least one record.
	WatchServices(ctx context.Context, emit func([]string)) error
}

// Validator is a [Registry] that is stricter than [Instance.Validate].
type Validator interface {
	// Validate refuses, with [ErrInvalid] and without any I/O, an instance
	// that this registry cannot hold.
	Validate(in Instance) error
}

// Remover is a [Registry] that can remove a record nobody keeps.
type Remover interface {
	// Remove deletes the record, whoever wrote it. A record that is kept
	// comes back. It fails with [ErrNotFound] when there is none.
	Remove(ctx context.Context, service, id string) error
}

// Overrider is a [Registry] that can hold an operator's word on an instance,
// which wins over what the instance says of itself, survives its
// re-registration and restart, and stays until it is undone.
type Overrider interface {
	// Override sets the word on one instance; the zero Override undoes it.
	Override(ctx context.Context, service, id string, o Override) error
	// Overrides lists what is in force for a service, by instance id,
	// including for instances that are not there now.
	Overrides(ctx context.Context, service string) (map[string]Override, error)
}

// Override is an operator's word on one instance. Fields left zero override
// nothing.
type Override struct {
	Status Status `json:"status,omitempty"` // [Draining], or ""
	Weight int    `json:"weight,omitempty"` // 1 to 65535, or 0
	Reason string `json:"reason,omitempty"` // shown as the instance's reason
}

// Apply returns the instance with the override in force: Status and Weight
// replaced, and the instance's own word kept in Reported. Worse news than the
// override's own stays: a critical instance does not turn healthy.
func (o Override) Apply(in Instance) Instance {
	if o.Weight != 0 {
		in.Weight = o.Weight
	}
	if o.Status != "" && in.Status.Worse(o.Status) != in.Status {
		in.Reported, in.Status, in.Reason = in.Status.orPassing(), o.Status, o.Reason
	}
	return in
}

// Validate refuses an override that no driver can keep.
func (o Override) Validate() error {
	if o.Status != "" && o.Status != Draining {
		return &InvalidError{Field: "override status", Value: quote(string(o.Status)),
			Problem: "only draining can be imposed", Fix: "use " + string(Draining) + " or leave it empty"}
	}
	if err := validateWeight(o.Weight); err != nil {
		return err
	}
	return validateText("override reason", o.Reason)
}

// Capabilities declares what a registry can do and how fast, as data, so that
// nobody need sniff. Durations are worst cases of a healthy registry under
// the driver's default settings.
type Capabilities struct {
	// Driver is the driver's name, such as "etcd".
	Driver string
	// Registry says which registry this is, for people: its URL without
	// any secret.
	Registry string
	// Register tells whether instances can be published.
	Register bool
	// MinTTL and MaxTTL bound [RegisterOptions.TTL]; the driver clamps.
	// Zero means no bound.
	MinTTL, MaxTTL time.Duration
	// Propagation is how long a change takes to reach a watch.
	Propagation time.Duration
	// DetectTTLs and DetectExtra bound how long a crashed instance stays:
	// DetectTTLs × TTL + DetectExtra. DetectTTLs 0 means for ever.
	DetectTTLs  float64
	DetectExtra time.Duration
	// Heartbeat is the longest silence of a watch that is well.
	Heartbeat time.Duration
	// Sequenced tells that incarnations come from the registry's own
	// sequence and are checked atomically. Otherwise they are read first
	// and a race of two first registrations in the same instant remains.
	Sequenced bool
	// FoldsCase tells that names that differ only in case collide.
	FoldsCase bool
	// Checks names the kinds of health check the registry itself can run:
	// "http", "grpc", "tcp", "ttl".
	Checks []string
	// Limits says, for people, what an instance must not exceed.
	Limits string
}

// Detection returns how long an instance that crashed may stay visible under
// the given TTL, and false if for ever.
func (c Capabilities) Detection(ttl time.Duration) (time.Duration, bool) {
	if c.DetectTTLs == 0 {
		return 0, false
	}
	return time.Duration(c.DetectTTLs*float64(c.ClampTTL(ttl))) + c.DetectExtra, true
}

// ClampTTL brings a TTL within the registry's bounds.
func (c Capabilities) ClampTTL(ttl time.Duration) time.Duration {
	if c.MaxTTL != 0 {
		ttl = min(ttl, c.MaxTTL)
	}
	return max(ttl, c.MinTTL)
}
