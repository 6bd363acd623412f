package peers

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/lb/lbtest"
)

// Living is a balancer under traffic.
type Living interface {
	// Begin picks an endpoint for a call; done is told how that ended, and
	// is nil where nobody wants to know.
	Begin() (addr string, done func(lbtest.Answer), err error)
	// List says who there is now.
	List(addrs []string)
	Close()
}

// Connected is a [Living] that is told of connections.
type Connected interface {
	SetConnected(addr string, can bool)
}

// Client drives a contender in simulated traffic.
func (c Contender) Client(s lbtest.Setting) lbtest.Client {
	t := &traffic{numbers: map[string]int{}}
	for i := range s.Servers {
		addr := lbtest.Address(i)
		t.addrs = append(t.addrs, addr)
		t.numbers[addr] = i
	}
	var err error
	if t.living, err = c.Live(t.addrs); err != nil {
		panic(err)
	}
	return t
}

type traffic struct {
	living  Living
	addrs   []string
	numbers map[string]int
}

func (t *traffic) Pick(*lb.Call) (int, func(lbtest.Answer), error) {
	addr, done, err := t.living.Begin()
	return t.numbers[addr], done, err
}

func (t *traffic) List(servers []int) {
	addrs := make([]string, len(servers))
	for i, n := range servers {
		addrs[i] = t.addrs[n]
	}
	t.living.List(addrs)
}

func (t *traffic) Connected(server int, can bool) {
	if c, ok := t.living.(Connected); ok {
		c.SetConnected(t.addrs[server], can)
	}
}

func (t *traffic) Close() { t.living.Close() }

// failure is the error that gRPC ends such a call with.
func failure(a lbtest.Answer) error {
	switch {
	case a.Result == lb.Success:
		return nil
	case a.Result == lb.Ignored, a.Result == lb.Overtaken:
		return status.FromContextError(context.Canceled).Err()
	case a.TimedOut:
		return status.FromContextError(context.DeadlineExceeded).Err()
	}
	return status.Error(codes.Unavailable, "it fails")
}
