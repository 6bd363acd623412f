package behaviour_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// taking makes a config the one that holds.
func (s *scene) taking(live *lb.Live, c lb.Config) {
	s.Helper()
	if err := live.Set(c); err != nil {
		s.Fatal(err)
	}
}

// connections is how many were ever made.
func (s *scene) connections() (n int) {
	for _, c := range s.copies {
		c.mu.Lock()
		n += len(c.conns)
		c.mu.Unlock()
	}
	return n
}

func TestARunningClientFollowsItsConfig(t *testing.T) {
	once := lb.Config{Policy: "round_robin", NoEjection: true, Retry: lb.RetryConfig{Max: 1}}
	live, err := lb.NewLive(once)
	if err != nil {
		t.Fatal(err)
	}
	everywhereBy(t, manner{live: live}, 2, func(s *scene) {
		defer s.taking(live, once) // for the next
		s.copies[0].behave(answers(unavailable))
		failed := 0
		for range 10 {
			if _, err := s.soon(true); err != nil {
				failed++
			}
		}
		if failed != 5 {
			s.Errorf("%d of 10 calls failed, and every second one goes to a copy that fails", failed)
		}
		before := s.connections()

		again := once
		again.Retry = lb.RetryConfig{Max: 3, PerTry: 5 * time.Second, Budget: lb.BudgetConfig{PerSecond: 100}}
		s.taking(live, again)
		for range 10 {
			if addr, err := s.soon(true); err != nil || addr != s.copies[1].addr {
				s.Errorf("answered by %q, %v; calls are tried twice now", addr, err)
			}
		}
		again.Policy = "least_request"
		s.taking(live, again)
		for range 10 {
			if _, err := s.soon(true); err != nil {
				s.Error(err)
			}
		}
		if now := s.connections(); now != before {
			s.Errorf("%d connections, %d before the config changed", now, before)
		}

		nobodyMatches := again
		nobodyMatches.Filter.Version = "of tomorrow"
		s.taking(live, nobodyMatches)
		s.until("the filter leaves nobody", func(_ string, err error) bool {
			return strings.Contains(fmt.Sprint(err), lb.ErrNoEndpoint.Error()) // of which gRPC keeps the text only
		})
		if err := live.Set(lb.Config{Policy: "best"}); err == nil {
			s.Error("a bad config was taken")
		}
		s.taking(live, again)
		s.until("the filter is gone", func(addr string, _ error) bool { return addr == s.copies[1].addr })
	})
}
