package lbtest

import (
	"fmt"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// World is a service under load, and how it is called.
type World struct {
	// Client makes the balancer of each client.
	Client  func(Setting) Client
	Clients int
	Servers []*Server
	Rate    float64       // calls a second, of all clients together
	Lasts   time.Duration // calls begin in this time
	Warm    time.Duration // what begins before is not counted
	// Even lets every request take the same time, in place of one that is
	// exponentially distributed.
	Even bool
	// Silent servers answer no probes.
	Silent bool
	// Patience is how long a caller waits for a try; 1 s if zero.
	Patience time.Duration

	// Tries is how many there are of one call at most; one if zero.
	Tries int
	// Backoff is the wait before a further try, nil for none.
	Backoff *lb.Backoff
	// Budget limits the further tries and the hedges of each client.
	Budget bool
	// Hedge is the quantile of the latencies at which a call is sent a
	// second time; never if zero.
	Hedge float64
	// Cancels says that servers drop what nobody waits for any longer.
	Cancels bool

	// Happens are called at their time, from the run's own goroutine.
	Happens []Happening
}

// Happening is something that befalls the servers or the registry.
type Happening struct {
	At time.Duration
	Do func(*Run)
}

// Report is what a run came to. Only calls that began after [World.Warm] count.
type Report struct {
	Calls          int
	P50, P99, P999 time.Duration // of all calls, those that failed included
	Errors         float64       // share of the calls
	// Failed is when the calls that failed began, and when they ended.
	Failed []Failure
	// Sent is the number of tries for each call.
	Sent float64
	// Load is how many tries went to each server.
	Load []int
	// Trace is a digest of all latencies, to compare runs by.
	Trace uint64
}

func (r Report) String() string {
	return fmt.Sprintf("p99 %6.1f ms, p99.9 %6.1f ms, errors %.3f %%, sent %.3f times",
		r.P99.Seconds()*1e3, r.P999.Seconds()*1e3, 100*r.Errors, r.Sent)
}

// Failure is a call that failed.
type Failure struct{ Began, Ended time.Duration }

// MostLoaded is the load of the server that had most, in relation to the mean.
func (r Report) MostLoaded() float64 {
	most, sum := 0, 0
	for _, n := range r.Load {
		most = max(most, n)
		sum += n
	}
	return float64(most) * float64(len(r.Load)) / float64(max(sum, 1))
}
