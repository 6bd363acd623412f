package behaviour_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// learn makes calls until a hedge knows how long they take.
func (s *scene) learn() {
	s.Helper()
	s.until("enough calls are answered", func() func(string, error) bool {
		n := 0
		return func(_ string, err error) bool {
			if err == nil {
				n++
			}
			return n == 150
		}
	}())
}

// soon makes a call that ends in time for a test that waits in vain.
func (s *scene) soon(idempotent bool) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	return s.call(ctx, idempotent)
}

// waits answers nothing until the caller gives up, and counts that.
func waits(given *atomic.Int64) func(context.Context) result {
	return func(ctx context.Context) result {
		<-ctx.Done()
		given.Add(1)
		return unavailable
	}
}

func generous() *lb.Hedge { return &lb.Hedge{Budget: &lb.Budget{Ratio: 10}} }

func TestASlowAnswerIsHadFromAnotherCopy(t *testing.T) {
	hedge := generous()
	everywhereBy(t, manner{policy: lb.RoundRobin, hedge: hedge}, 3, func(s *scene) {
		s.learn()
		before := hedge.Stats()
		var given atomic.Int64
		s.copies[0].behave(waits(&given))
		for range 30 {
			if addr, err := s.soon(true); err != nil || addr == s.copies[0].addr {
				s.Errorf("answered by %q, %v", addr, err)
			}
		}
		// The one that hangs has its turn ten times at least. On a busy machine a
		// turn may be that of a second try, because a copy that is well took long.
		sent, won := hedge.Stats().Sent-before.Sent, hedge.Stats().Won-before.Won
		if sent < 10 || won < 8 {
			s.Errorf("of 30 calls %d were sent to a second copy, which answered %d; a third of them went to one that hangs", sent, won)
		}
		s.until("the copy that lost is told each time", func(string, error) bool { return given.Load() >= 10 })
	})
}

func TestOnlyWhatIsSafeIsSentTwiceAtOnce(t *testing.T) {
	hedge := generous()
	everywhereBy(t, manner{policy: lb.RoundRobin, hedge: hedge}, 2, func(s *scene) {
		s.learn()
		before := hedge.Stats()
		// Calls that are given up are not counted: they are second tries of
		// before, which may arrive late.
		var tries atomic.Int64
		for _, c := range s.copies {
			c.behave(func(ctx context.Context) result {
				select {
				case <-ctx.Done():
				case <-time.After(30 * time.Millisecond):
					tries.Add(1)
				}
				return answered
			})
		}
		for range 10 {
			if _, err := s.soon(false); err != nil {
				s.Error(err)
			}
		}
		if n := tries.Load(); n != 10 || hedge.Stats() != before {
			s.Errorf("10 calls that are not safe to repeat were sent %d times; %+v, before %+v", n, hedge.Stats(), before)
		}
	})
}

func TestAnErrorThatIsAnAnswerEndsTheOtherTry(t *testing.T) {
	everywhereBy(t, manner{policy: lb.RoundRobin, hedge: generous()}, 2, func(s *scene) {
		s.learn()
		var given atomic.Int64
		s.copies[0].behave(waits(&given))
		s.copies[1].behave(answers(notFound))
		for range 4 {
			if _, err := s.soon(true); resultOf(err) != notFound {
				s.Errorf("got %v", err)
			}
		}
	})
}

func TestAHedgeAndARetryAvoidTheSameCopies(t *testing.T) {
	m := manner{policy: lb.RoundRobin, hedge: generous(), retry: lb.Retry{PerTry: 700 * time.Millisecond, Budget: &lb.Budget{Ratio: 10}}}
	everywhereBy(t, m, 3, func(s *scene) {
		s.learn()
		var given atomic.Int64
		s.copies[0].behave(waits(&given))
		s.copies[1].behave(answers(unavailable))
		for range 4 {
			if addr, err := s.soon(true); err != nil || addr != s.copies[2].addr {
				s.Errorf("answered by %q, %v", addr, err)
			}
		}
	})
}

func TestHedgesAndRetriesSpendOneBudget(t *testing.T) {
	hedge := &lb.Hedge{}
	m := manner{policy: lb.RoundRobin, hedge: hedge, retry: lb.Retry{PerTry: 500 * time.Millisecond, Budget: &lb.Budget{PerSecond: -1, Ratio: -1}}}
	everywhereBy(t, m, 2, func(s *scene) {
		s.learn()
		before, tries := hedge.Stats(), s.tries()
		var given atomic.Int64
		s.copies[0].behave(waits(&given))
		s.copies[1].behave(waits(&given))
		for range 3 {
			if _, err := s.soon(true); err == nil {
				s.Error("answered by nobody")
			}
		}
		after := hedge.Stats()
		if n := s.tries() - tries; n != 3 || after.Sent != before.Sent || after.Refused < before.Refused+3 {
			s.Errorf("without a budget, 3 calls were sent %d times; %+v, before %+v", n, after, before)
		}
	})
}
