package adsumgrpc

import (
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

// pace is how fast a copy answers with a stream, which may last for as long as
// its caller wants: the time of the first message. Where the caller streams,
// too, that depends on what the caller sends, and tells nothing.
type pace struct {
	untold bool
	first  atomic.Pointer[time.Time]
}

// paced watches a stream for its first message.
type paced struct {
	grpc.ClientStream
	pace *pace
	seen bool // only RecvMsg looks, which one goroutine calls
}

func (s *paced) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil && !s.seen {
		s.seen = true
		now := time.Now()
		s.pace.first.Store(&now)
	}
	return err
}

// watched is a stream that tells the call's pace.
func (c *call) watched(stream grpc.ClientStream) grpc.ClientStream {
	if c.pace.untold {
		return stream
	}
	return &paced{ClientStream: stream, pace: c.pace}
}

// untimed leaves it to the engine to time a call.
func untimed() time.Duration { return 0 }

// timing begins to time a try, and returns what tells its latency when it has
// ended, as [lb.Outcome] wants it.
func (c *call) timing() func() time.Duration {
	if c == nil || c.pace == nil {
		return untimed
	}
	start := time.Now()
	return func() time.Duration {
		if c.pace.untold {
			return -1
		}
		first := c.pace.first.Load()
		if first == nil {
			return 0 // it ended without a message: its end is the answer
		}
		return max(first.Sub(start), 1)
	}
}
