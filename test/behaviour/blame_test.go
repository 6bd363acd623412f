package behaviour_test

import (
	"context"
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
)

func TestACallerThatGoesAwayIsNoFailureOfTheCopy(t *testing.T) {
	m := manner{policy: lb.Routing{Policy: lb.RoundRobin, NoEjection: true, Circuit: lb.Circuit{Failures: 0.01, Calls: 1, Open: time.Hour}}}
	everywhereBy(t, m, 1, func(s *scene) {
		arrived := make(chan struct{}, 1)
		s.copies[0].behave(func(ctx context.Context) result {
			arrived <- struct{}{}
			<-ctx.Done()
			return unavailable
		})
		for range 5 {
			ctx, leave := context.WithCancel(s.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := s.call(ctx, true)
				ended <- err
			}()
			<-arrived
			leave()
			if err := <-ended; resultOf(err) != canceled {
				s.Errorf("the caller went away: %v", err)
			}
		}
		s.copies[0].behave(answers(answered))
		s.expect(false, answered, 1) // its circuit is closed
		s.copies[0].behave(answers(unavailable))
		s.expect(false, unavailable, 1)
		s.until("a failure opens it", func(_ string, err error) bool { return resultOf(err) == limited })
	})
}
