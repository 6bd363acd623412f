package behaviour_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

func TestARequestThatNeverLeftIsSentAgainWithoutTheBudget(t *testing.T) {
	budget := &lb.Budget{PerSecond: -1, Ratio: -1}
	again := &countingTries{}
	m := manner{policy: lb.RoundRobin, retry: lb.Retry{Budget: budget}, observer: again}
	everywhereBy(t, m, 1, func(s *scene) {
		before := budget.Stats()
		again.Store(0)
		nobody, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.Fatal(err)
		}
		nobody.Close()
		gone, err := adsum.Register(s.registry, adsum.Instance{Service: "book", Addr: nobody.Addr().String()}, quiet)
		if err != nil {
			s.Fatal(err)
		}
		defer gone.Close(s.Context())
		s.known(2)
		// Over gRPC nobody picks what there is no connection to.
		for n := 0; n < 20 || s.transport.name != "gRPC" && again.Load() == 0; n++ {
			s.expect(false, answered, 1)
		}
		if after := budget.Stats(); after.Spent != before.Spent || after.Refused != before.Refused {
			s.Errorf("the budget was asked: %+v, before %+v", after, before)
		}
		s.copies[0].behave(answers(unavailable))
		s.until("the budget refuses what did leave", func(string, error) bool { return budget.Stats().Refused > before.Refused })
	})
}

// countingTries counts those after the first ones.
type countingTries struct{ atomic.Int64 }

func (*countingTries) ClientOpened(*lb.Client) func() { return nil }

func (c *countingTries) CallEnded(_ context.Context, call lb.Ended) { c.Add(int64(call.Tries - 1)) }

// known waits until the caller's directory has n instances.
func (s *scene) known(n int) {
	s.Helper()
	view, err := s.dir.Open("book")
	if err != nil {
		s.Fatal(err)
	}
	defer view.Close()
	for {
		changed := view.Changed()
		if len(view.Snapshot().Instances) == n {
			return
		}
		select {
		case <-changed:
		case <-s.Context().Done():
			s.Fatal("never known")
		}
	}
}
