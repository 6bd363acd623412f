package behaviour_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
)

func TestACopyThatIsFullIsPassedOver(t *testing.T) {
	m := manner{policy: lb.Routing{Policy: lb.RoundRobin, Limit: lb.Limit{Max: 1}}}
	everywhereBy(t, m, 2, func(s *scene) {
		release := make(chan struct{})
		arrived := make(chan struct{}, 2)
		for _, c := range s.copies {
			c.behave(func(context.Context) result {
				arrived <- struct{}{}
				<-release
				return answered
			})
		}
		var callers sync.WaitGroup
		for range 2 {
			callers.Go(func() {
				if _, err := s.call(s.Context(), false); err != nil {
					s.Error(err)
				}
			})
			<-arrived
		}
		s.expect(true, limited, 0)
		s.expect(false, limited, 0)
		close(release)
		callers.Wait()
		s.until("there is room again", func(_ string, err error) bool { return err == nil })
	})
}

func TestACircuitOpensAndCallsGoElsewhereOrFail(t *testing.T) {
	m := manner{
		policy: lb.Routing{Policy: lb.RoundRobin, NoEjection: true, Circuit: lb.Circuit{Failures: 0.4, Calls: 5, Open: time.Hour}},
		retry:  lb.Retry{Max: 1},
	}
	everywhereBy(t, m, 2, func(s *scene) {
		s.copies[0].behave(answers(unavailable))
		for range 40 {
			_, _ = s.call(s.Context(), true) // until its circuit is open
		}
		for range 10 {
			if addr := s.expect(false, answered, 1); addr != s.copies[1].addr {
				s.Errorf("answered by %s", addr)
			}
		}
		s.copies[1].behave(answers(unavailable))
		s.until("all circuits are open", func(_ string, err error) bool { return resultOf(err) == limited })
		s.expect(true, limited, 0)
	})
}
