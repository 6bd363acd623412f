package lb

import (
	"sync/atomic"

	"github.com/adsum-go/adsum"
)

// Endpoint is one copy of a service as a balancer sees it: what the registry
// says of it, and what was learned from calling it. It outlives snapshots: as
// long as a copy keeps its id and address, its Endpoint and what is known of
// it stay, however often its status, weight or metadata change.
//
// All methods are safe for concurrent use.
type Endpoint struct {
	id, addr string
	instance atomic.Pointer[adsum.Instance]
	attached atomic.Value

	_        [64]byte // the counters below change with every call, the fields above hardly ever
	inflight atomic.Int64
	_        [56]byte
}

func newEndpoint(in *adsum.Instance, addr string) *Endpoint {
	ep := &Endpoint{id: in.ID, addr: addr}
	ep.instance.Store(in)
	return ep
}

// ID is the instance's id.
func (ep *Endpoint) ID() string { return ep.id }

// Addr is the address that this balancer's protocol calls.
func (ep *Endpoint) Addr() string { return ep.addr }

// Instance is what the registry last said of this copy.
func (ep *Endpoint) Instance() *adsum.Instance { return ep.instance.Load() }

// InFlight is the number of calls under way from here, where the balancer's
// policy asks for it ([InFlight]); otherwise 0.
func (ep *Endpoint) InFlight() int64 { return ep.inflight.Load() }

// Attach hangs a transport's own object (a connection, a go-kit endpoint) on
// the endpoint. Every value attached to one endpoint must be of one type.
func (ep *Endpoint) Attach(v any) { ep.attached.Store(v) }

// Attached returns what was attached, or nil.
func (ep *Endpoint) Attached() any { return ep.attached.Load() }
