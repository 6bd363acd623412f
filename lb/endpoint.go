package lb

import (
	"math"
	"sync/atomic"
	"unsafe"

	"github.com/adsum-go/adsum"
)

// Endpoint is one copy of a service as a balancer sees it: what the registry
// says of it, and what was learned from calling it. It outlives snapshots: as
// long as a copy keeps its id, address and protocol, its Endpoint and what is
// known of it stay, however often its status, weight or metadata change.
//
// All methods are safe for concurrent use.
type Endpoint struct {
	facts
	_ [(cacheLine - unsafe.Sizeof(facts{})%cacheLine) % cacheLine]byte
	learned
}

// cacheLine is how many bytes cores own together.
const cacheLine = 64

// facts hardly ever change.
type facts struct {
	id, addr, protocol string
	instance           atomic.Pointer[adsum.Instance]
	attached           atomic.Value
	guard              atomic.Pointer[guard] // nil if nothing limits its calls
	warmth             float32               // what the instance's weight is multiplied by; 0 for 1; under the balancer's lock
}

// learned is all that policies look at, and changes with every call: one cache
// line, which belongs to no other endpoint.
type learned struct {
	inflight atomic.Int64
	latency  peak
	weight   atomic.Uint32 // a float32
	health   health
	failing  peak
	reported reported
}

func newEndpoint(id, addr, protocol string) *Endpoint {
	return &Endpoint{facts: facts{id: id, addr: addr, protocol: protocol}}
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
	return float64(math.Float32frombits(ep.weight.Load()))
}

// revise takes in what the registry says now. The balancer holds its lock.
func (ep *Endpoint) revise(in *adsum.Instance) {
	ep.instance.Store(in)
	ep.weigh(weightOf(in))
}

// warm sets how much of its weight the endpoint is to have. The balancer holds
// its lock.
func (ep *Endpoint) warm(warmth float32) {
	ep.warmth = warmth
	ep.weigh(weightOf(ep.Instance()))
}

func (ep *Endpoint) weigh(weight float32) {
	if ep.warmth != 0 {
		weight *= ep.warmth
	}
	ep.weight.Store(math.Float32bits(weight))
}

// weightOf is the weight that the registry says.
func weightOf(in *adsum.Instance) float32 {
	if in.Weight <= 0 {
		return adsum.DefaultWeight
	}
	return float32(in.Weight)
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
