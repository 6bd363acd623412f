// Package lbtest puts a balancer under simulated traffic: clients, each with a
// balancer of its own, call servers that have queues and workers, and that may
// be slow, fail, pause, stop, go black and come back. It is what this library
// compares its own policies with others by, and works for a policy of one's own
// as well:
//
//	synctest.Test(t, func(t *testing.T) {
//		report := lbtest.World{
//			Client:  lbtest.Policy(myPolicy),
//			Servers: lbtest.Fleet(10, nil), Clients: 10, Rate: 2800, Lasts: 10 * time.Second,
//		}.Run(1)
//		…
//	})
//
// A run is an event loop on one goroutine in virtual time. It must be called in
// a bubble of [testing/synctest], where minutes pass in moments, and the clock
// that balancers read is the one of the simulation. The same seed gives the same
// run, to the nanosecond, as long as the balancers draw their random bits from
// the source that they are given.
package lbtest
