// Package lb chooses, for every call, the copy of a service that it goes to,
// and learns from how the call ends. It does no I/O: the transports (gRPC,
// HTTP, go-kit) bring the calls.
//
// A [Balancer] is the engine for one service. It is fed with snapshots of the
// service and, where the transport keeps connections itself, with what can be
// reached; it compiles both into one immutable view, from which
// [Balancer.Pick] chooses without a lock. Changes that come in a burst are
// compiled once.
//
// An [Endpoint] is one copy of the service together with all that was learned
// of it, and outlives the snapshots that name it. A [Call] is what a pick may
// depend on, an [Outcome] how the call ended.
//
//	snapshot, reachability → view → Pick → call → Outcome → policy
//
// # Policies
//
// A [Policy] is a rule; [Policies] lists those of this package. [RoundRobin] is
// what users expect to see; [PeakEWMA] sends fewer calls to slow and failing
// endpoints; [C3] and [Prequal] go by what servers tell of their load; [Weighted]
// keeps to fixed shares; [RingHash], [Maglev],
// [Rendezvous] and [BoundedLoad] keep the calls of one key together.
//
// Adding one takes a type with two methods: Name, and Build, which makes a
// [Picker] for a set of endpoints. A policy that learns also implements
// [Needer], to say what it wants measured, and its picker [Observer], to be
// told of every outcome. The example shows a whole one.
//
// [Routing] puts around any of them what narrows its choice: a filter, a subset,
// the caller's zone, slow start, ejection of endpoints that fail, limits of the calls
// under way, and circuits.
//
// # Config
//
// [Config] is all of that as plain data, in code or in JSON, and [Live] one that
// running clients follow ([Balancer.SetPolicy]).
//
// # Explaining a pick
//
// [Balancer.Explain] tells how a pick would be made now: who was left out and
// why, who was compared by which score, who was chosen. With an [Inspector] the
// last real picks are there too ([Balancer.Recent]), and all that a balancer
// knows ([Balancer.Inspect]). A policy takes part by making its picker an
// [Explainer].
//
// # Retries
//
// [Retry] sends a call again where that is safe, each time to an endpoint that
// the call did not try yet. What is safe, only the transport can tell; it says
// so by a [Verdict]. A [Budget] keeps retries from multiplying an overload.
// [Hedged] sends a call again while the first try is still under way, when that
// takes longer than nearly all others did.
package lb
