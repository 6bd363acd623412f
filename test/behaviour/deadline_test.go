package behaviour_test

import (
	"context"
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
)

func TestAServerKnowsHowLongItsCallerWaits(t *testing.T) {
	everywhere(t, 1, func(s *scene) {
		seen := make(chan time.Duration, 1)
		s.copies[0].behave(func(ctx context.Context) result {
			left := time.Duration(-1)
			if deadline, ok := ctx.Deadline(); ok {
				left = time.Until(deadline)
			}
			seen <- left
			return answered
		})
		if _, err := s.call(s.Context(), true); err != nil {
			s.Fatal(err)
		}
		if left := <-seen; s.transport.name != "go-kit" && left != -1 {
			s.Errorf("without a deadline the server sees one in %v", left)
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		if _, err := s.call(ctx, true); err != nil {
			s.Fatal(err)
		}
		if left := <-seen; left < 20*time.Second || left > time.Minute+time.Second {
			s.Errorf("with a minute the server sees %v", left)
		}
	})
}

func TestACopyThatHangsCostsOneTryAndNotTheCall(t *testing.T) {
	// Long enough that the other copy answers in time on a machine that is busy.
	m := manner{policy: lb.RoundRobin, retry: lb.Retry{PerTry: time.Second}}
	everywhereBy(t, m, 2, func(s *scene) {
		s.copies[0].behave(s.copies[0].hangs)
		for range 2 {
			if addr := s.expectAnswer(); addr != s.copies[1].addr {
				s.Errorf("answered by %q", addr)
			}
		}
	})
}

func TestAllTriesTogetherHaveATime(t *testing.T) {
	m := manner{policy: lb.RoundRobin, retry: lb.Retry{Timeout: time.Second}} // in which a call reaches its copy on a busy machine, too
	everywhereBy(t, m, 2, func(s *scene) {
		for _, c := range s.copies {
			c.behave(c.hangs)
		}
		if _, err := s.call(s.Context(), true); resultOf(err) != tooLate {
			s.Errorf("got %v", err)
		}
		if n := s.tries(); n != 1 {
			s.Errorf("%d tries", n)
		}
	})
}

// expectAnswer makes a call that is safe to send again, and must be answered.
func (s *scene) expectAnswer() (addr string) {
	s.Helper()
	addr, err := s.call(s.Context(), true)
	if err != nil {
		s.Error(err)
	}
	return addr
}
