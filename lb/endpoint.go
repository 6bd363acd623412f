package lb

import (
	"math"
	"sync/atomic"

	"github.com/adsum-go/adsum"
)

// Endpoint is one copy of a service as a balancer sees it: what the registry
// says of it, and what was learned from calling it. It outlives snapshots: as
// long as a copy keeps its id, address and protocol, its Endpoint and what is
// known of it stay, however often its status, weight or metadata change.
//
// All methods are safe for concurrent use.
type Endpoint struct {
	id, addr, protocol string
	instance           atomic.Pointer[adsum.Instance]
	attached           atomic.Value
	warmth             atomic.Uint32 // a float32 that weight is multiplied by; 0 for 1

	_        [64]byte // the counters below change with every call, the fields above hardly ever
	inflight atomic.Int64
	latency  peak
	health   health
	failing  peak
	reported reported
}

func newEndpoint(in *adsum.Instance, addr, protocol string) *Endpoint {
	ep := &Endpoint{id: in.ID, addr: addr, protocol: protocol}
	ep.instance.Store(in)
	return ep
}

// ID is the instance's id.
func (ep *Endpoint) ID() string { return ep.id }

// Addr is the address that this balancer's protocol calls.
func (ep *Endpoint) Addr() string { return ep.addr }

// Protocol is the one of [Options.Protocols] that Addr speaks, "" if the
// instance names none of them and Addr is its general address.
func (ep *Endpoint) Protocol() string { return ep.protocol }

// Instance is what the registry last said of this copy.
func (ep *Endpoint) Instance() *adsum.Instance { return ep.instance.Load() }

// Weight is the copy's share of the traffic relative to its siblings. Policies
// go by this, not by the instance's own, which says nothing of the moment.
func (ep *Endpoint) Weight() float64 {
	weight := float64(adsum.DefaultWeight)
	if w := ep.Instance().Weight; w > 0 {
		weight = float64(w)
	}
	if w := ep.warmth.Load(); w != 0 {
		weight *= float64(math.Float32frombits(w))
	}
	return weight
}

// InFlight is the number of calls under way from here, where the balancer's
// policy asks for it ([InFlight]); otherwise 0.
func (ep *Endpoint) InFlight() int64 { return ep.inflight.Load() }

// Attach hangs a transport's own object (a connection, a go-kit endpoint) on
// the endpoint. Every value attached to one endpoint must be of one type.
func (ep *Endpoint) Attach(v any) { ep.attached.Store(v) }

// Attached returns what was attached, or nil.
func (ep *Endpoint) Attached() any { return ep.attached.Load() }

// String names the endpoint in logs and errors: the instance, and the address
// called where that is another one.
func (ep *Endpoint) String() string {
	in := ep.Instance()
	if in.Addr == ep.addr {
		return in.String()
	}
	return in.String() + " at " + ep.addr
}
