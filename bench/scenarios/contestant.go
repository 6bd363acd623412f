package scenarios

import (
	"fmt"
	"slices"

	"github.com/adsum-go/adsum/bench/peers"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/lb/lbtest"
)

// A Contestant is a balancer, and how its library calls.
type Contestant struct {
	Name   string
	Ours   bool
	Client func(lbtest.Setting) lbtest.Client
	// Manner changes how calls are made, and how servers go and come.
	Manner []Manner
	// Runs is how often it runs; more than once for what draws from a source
	// that cannot be seeded.
	Runs int
}

// Manner is a way to call.
type Manner func(*lbtest.World)

// with returns the contestant with other manners.
func (c Contestant) with(what string, manner ...Manner) Contestant {
	c.Name += ", " + what
	c.Manner = slices.Concat(c.Manner, manner)
	return c
}

// ours is a policy of this library's.
func ours(name string, policy lb.Policy) Contestant {
	return Contestant{Name: "adsum " + name, Ours: true, Client: lbtest.Policy(policy), Runs: 1}
}

// What our clients are made of when nothing else is said, and the others.
var (
	standard     = ours("default (peak_ewma)", lb.Routing{})
	roundRobin   = ours("round_robin", lb.RoundRobin)
	leastRequest = ours("least_request", lb.LeastRequest)
	c3           = ours("c3", lb.C3)
	prequal      = ours("prequal", lb.Prequal)
)

// How our clients call in the scenarios that need more than one try.
var (
	standardRetries = standard.with("retries", retries)
	standardGently  = standard.with("retries, lifecycle", retries, gently)
	standardHedged  = standard.with("hedging at 99 %", hedging(0.99))
)

// subset is the default with ten servers for each client.
var subset = Contestant{
	Name: "adsum default, subset of 10", Ours: true, Runs: 1,
	Client: lbtest.PolicyFor(func(s lbtest.Setting) lb.Policy {
		return lb.Routing{Subset: lb.Subset{Client: fmt.Sprint("client-", s.Number), Size: 10}}
	}),
}

// The peers, by the names of package peers.
var (
	kitRoundRobin   = peer("go-kit sd/lb RoundRobin", 1)
	grpcRoundRobin  = peer("grpc-go round_robin", repeats)
	grpcWeighted    = peer("grpc-go weighted_round_robin", repeats)
	grpcLeast       = peer("grpc-go least_request_experimental", repeats)
	goZero          = peer("go-zero p2c_ewma", repeats)
	kratosWeighted  = peer("Kratos wrr", 1)
	kratosP2C       = peer("Kratos p2c", 1)
	kitexAlias      = peer("Kitex weight_random_with_alias_method", repeats)
	everyPeer       = []Contestant{kitRoundRobin, grpcRoundRobin, grpcWeighted, grpcLeast, goZero, kratosWeighted, kratosP2C, kitexAlias}
	kitWithRetry    = kitRoundRobin.with("Retry", tries)
	ourEssentials   = []Contestant{standard, roundRobin, leastRequest}
	ourEverything   = slices.Concat(ourEssentials, []Contestant{c3, prequal, subset})
	oursAndEveryone = slices.Concat(ourEverything, everyPeer)
)

// repeats is how often it runs what cannot be seeded.
const repeats = 5

func peer(name string, runs int) Contestant {
	all := peers.All()
	i := slices.IndexFunc(all, func(c peers.Contender) bool { return c.Name == name && c.Live != nil })
	return Contestant{Name: name, Client: all[i].Client, Runs: runs}
}

// tries is go-kit's Retry: three tries at once, whatever others do.
func tries(w *lbtest.World) { w.Tries = 3 }

// retries are what our clients do: up to three tries with a back-off, within a
// budget, and what nobody waits for is cancelled.
func retries(w *lbtest.World) {
	w.Tries, w.Backoff, w.Budget, w.Cancels = 3, &lb.Backoff{}, true, true
}

// hedging sends a call a second time that takes longer than that share of them.
func hedging(quantile float64) Manner {
	return func(w *lbtest.World) { w.Hedge, w.Budget, w.Cancels = quantile, true, true }
}
