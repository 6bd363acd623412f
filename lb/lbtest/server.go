package lbtest

import (
	"math"
	"time"
)

// workers is how many requests a server works on at a time.
const workers = 4

// Server is a copy of the service. It has four workers, and a queue without an
// end. The zero value takes 10 ms for a request on average.
type Server struct {
	// Mean is the average time that a worker takes; 10 ms if zero.
	Mean time.Duration
	// Slower multiplies that, as time goes by.
	Slower func(now time.Duration) float64
	// Pause is how long a pause still lasts that goes on at that time.
	Pause func(now time.Duration) time.Duration
	// Fails makes it fail every request at once, in half a millisecond.
	Fails bool
	// Zone is where it is.
	Zone string

	number int
	state  state
	life   int // counts how often it was killed
	busy   int
	queue  []*try
	open   map[*try]bool // sent here and not over, while there may be need to know
	rate   float64       // of requests a second, a moving average
	used   float64       // share of the workers, the same
	reckon time.Duration // when these were true
	took   float64       // for a request, in nanoseconds, the average of a few
}

type state uint8

const (
	up    state = iota
	down        // connections are refused
	black       // it takes what it gets and never answers
)

// Fleet makes n servers, changed by change, which may be nil.
func Fleet(n int, change func(i int, s *Server)) []*Server {
	servers := make([]*Server, n)
	for i := range servers {
		servers[i] = &Server{}
		if change != nil {
			change(i, servers[i])
		}
	}
	return servers
}

// Full is the rate that n servers can just bear.
func Full(n float64) float64 { return n * workers * 100 }

// takes is how long a worker needs for the request that it begins now.
func (s *Server) takes(now time.Duration, drawn func(mean float64) time.Duration) time.Duration {
	mean := float64(s.Mean)
	if s.Mean == 0 {
		mean = float64(10 * time.Millisecond)
	}
	if s.Slower != nil {
		mean *= s.Slower(now)
	}
	d := drawn(mean)
	if s.Pause != nil {
		d += s.Pause(now)
	}
	return d
}

// memory is how far back a server's averages go.
const memory = time.Second

// pass lets the averages come to the present.
func (s *Server) pass(now time.Duration) {
	keep := math.Exp(-float64(now-s.reckon) / float64(memory))
	s.rate *= keep
	s.used = s.used*keep + float64(s.busy)/workers*(1-keep)
	s.reckon = now
}

// hear counts a request that came.
func (s *Server) hear(now time.Duration) {
	s.pass(now)
	s.rate += 1 / memory.Seconds()
}

// serve counts a request that was worked on for so long.
func (s *Server) serve(d time.Duration) {
	if s.took == 0 {
		s.took = float64(d)
	}
	s.took += (float64(d) - s.took) / 16
}

// load is what the server says of itself now.
func (s *Server) load(now time.Duration) *Load {
	s.pass(now)
	return &Load{
		InFlight: s.busy + len(s.queue), Queue: len(s.queue), Utilization: s.used, Rate: s.rate, Service: time.Duration(s.took),
	}
}
