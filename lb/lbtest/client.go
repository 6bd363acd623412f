package lbtest

import (
	"time"

	"github.com/adsum-go/adsum/lb"
)

// Client is the balancer of one caller. The simulation calls its methods from
// one goroutine.
type Client interface {
	// Pick chooses the server, by its number, for one try of a call; done
	// is called once when the try is over, and may be nil. call is of our
	// engine, remembers what was tried, and may be left alone.
	Pick(call *lb.Call) (server int, done func(Answer), err error)
	Close()
}

// Lister is a [Client] that follows the registry. List names all servers that
// are registered now.
type Lister interface{ List(servers []int) }

// Connecter is a [Client] that keeps connections. Connected says that a server
// can be reached, or no longer: when it stopped or came back, not when it only
// does not answer.
type Connecter interface {
	Connected(server int, can bool)
}

// Answer is how a try ended, with what the server said of its own load.
type Answer struct {
	Result   lb.Result
	TimedOut bool          // rather than failed
	Deadline time.Duration // for how long the caller would have waited
	Load     *Load         // nil if there was no answer
}

// Load is a server's own view.
type Load struct {
	InFlight    int           // other requests that it works on, or that wait there
	Queue       int           // those of them that wait
	Utilization float64       // share of its workers that worked, lately
	Rate        float64       // requests a second, lately
	Service     time.Duration // that a request takes without the waiting, lately
}

// Setting is what a client is made for.
type Setting struct {
	Number  int           // of the client
	Servers int           // their number; all of them are registered and up
	Zones   []string      // theirs
	Random  func() uint64 // for everything random that should repeat
	// Probe asks a server for its load, and calls told when the answer is
	// there, if it answers. It is nil where servers never do.
	Probe func(server int, told func(Load))
}
