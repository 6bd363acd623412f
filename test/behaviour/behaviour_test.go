package behaviour_test

import (
	"context"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/memory"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

var quiet = adsum.WithLogger(slog.New(slog.DiscardHandler))

// scene is a service with its copies, and somebody who calls it.
type scene struct {
	*testing.T
	transport transport
	store     *memory.Server
	registry  *memory.Registry
	dir       *adsum.Directory
	call      caller
	copies    []*server
}

// everywhere runs a scenario by every transport, with n copies that the caller
// calls in turn, and has called already.
func everywhere(t *testing.T, n int, scenario func(*scene)) {
	everywhereBy(t, manner{policy: lb.RoundRobin}, n, scenario)
}

// everywhereBy does so with a caller that calls in its own manner.
func everywhereBy(t *testing.T, m manner, n int, scenario func(*scene)) {
	over(t, transports, m, n, scenario)
}

// over does so by some transports.
func over(t *testing.T, some []transport, m manner, n int, scenario func(*scene)) {
	for _, tr := range some {
		t.Run(tr.name, func(t *testing.T) {
			store := memory.NewServer()
			s := &scene{T: t, transport: tr, store: store, registry: store.Client()}
			s.dir = adsum.NewDirectory(store.Client(), quiet)
			t.Cleanup(func() { s.dir.Close() })
			s.call = tr.dial(t, s.dir, m)
			for range n {
				s.copies = append(s.copies, startServer(t, s.registry, tr))
			}
			s.warmUp()
			scenario(s)
		})
	}
}

// warmUp calls until every copy has answered, and forgets that.
func (s *scene) warmUp() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	for _, c := range s.copies {
		for c.calls.Load() == 0 {
			if _, err := s.call(ctx, true); ctx.Err() != nil {
				s.Fatalf("not all copies were called in time; last error: %v", err)
			}
		}
	}
	for _, c := range s.copies {
		c.calls.Store(0)
	}
}

// expect makes a call and compares how it ended and how many tries it took.
func (s *scene) expect(idempotent bool, want result, tries int64) (addr string) {
	s.Helper()
	before := s.tries()
	addr, err := s.call(s.Context(), idempotent)
	if got := resultOf(err); got != want {
		s.Errorf("idempotent %v: %s, want %s; error %v", idempotent, got, want, err)
	}
	if n := s.tries() - before; n != tries {
		s.Errorf("idempotent %v: %d tries, want %d", idempotent, n, tries)
	}
	return addr
}

func (s *scene) tries() (n int64) {
	for _, c := range s.copies {
		n += c.calls.Load()
	}
	return n
}

// until repeats a call that is harmless until what it shows is so.
func (s *scene) until(what string, condition func(addr string, err error) bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	for {
		addr, err := s.call(ctx, true)
		if condition(addr, err) {
			return
		}
		if ctx.Err() != nil {
			s.Fatalf("not seen within 30 s: %s", what)
		}
	}
}

func TestCallsGoRound(t *testing.T) {
	everywhere(t, 3, func(s *scene) {
		for range 12 {
			s.expect(false, answered, 1)
		}
		for _, c := range s.copies {
			if n := c.calls.Load(); n != 4 {
				s.Errorf("%d of 12 calls went to one of three copies", n)
			}
		}
	})
}

func TestByDefaultACopyThatFailsIsLeftAlone(t *testing.T) {
	everywhereBy(t, manner{}, 3, func(s *scene) {
		s.copies[0].behave(answers(unavailable))
		for range 50 {
			s.until("a call is answered", func(_ string, err error) bool { return err == nil })
		}
		if n := s.copies[0].calls.Load(); n > 10 {
			s.Errorf("a copy that fails at once had %d of %d tries", n, s.tries())
		}
	})
}

func TestADeadCopyCostsNoCall(t *testing.T) {
	everywhere(t, 2, func(s *scene) {
		s.copies[0].stop()
		// Its connections are still coming down: a request may be lost on one,
		// so these are safe to send again. Then nobody listens any more.
		for n := range 20 {
			if addr := s.expect(n < 10, answered, 1); addr != s.copies[1].addr {
				s.Errorf("answered by %s", addr)
			}
		}
	})
}

func TestACallWhoseConnectionBreaksIsSentAgainOnlyIfThatIsSafe(t *testing.T) {
	for idempotent, want := range map[bool]result{true: answered, false: unavailable} {
		everywhere(t, 2, func(s *scene) {
			broken := s.copies[0]
			broken.behave(func(ctx context.Context) result {
				broken.behave(answers(answered)) // once is enough
				return broken.breaksOff(ctx)
			})
			for broken.calls.Load() == 0 {
				before := s.tries()
				_, err := s.call(s.Context(), idempotent)
				if broken.calls.Load() == 0 {
					continue // it went to the other one
				}
				tries := int64(1)
				if idempotent {
					tries = 2
				}
				if got := resultOf(err); got != want || s.tries()-before != tries {
					s.Errorf("idempotent %v: %s in %d tries, want %s in %d; error %v", idempotent, got, s.tries()-before, want, tries, err)
				}
			}
		})
	}
}

func TestUnavailableIsTriedElsewhereOnlyIfThatIsSafe(t *testing.T) {
	everywhere(t, 3, func(s *scene) {
		s.copies[0].behave(answers(unavailable))
		s.copies[1].behave(answers(unavailable))
		results := map[result]int{}
		for range 6 {
			if addr, err := s.call(s.Context(), true); err != nil || addr != s.copies[2].addr {
				s.Errorf("idempotent: answered by %q, error %v", addr, err)
			}
			_, err := s.call(s.Context(), false)
			results[resultOf(err)]++
		}
		if results[unavailable] == 0 || results[unavailable]+results[answered] != 6 {
			s.Errorf("not idempotent: %v", results)
		}
	})
}

func TestEachTryGoesToAnotherCopy(t *testing.T) {
	everywhere(t, 3, func(s *scene) {
		for _, c := range s.copies {
			c.behave(answers(unavailable))
		}
		for range 5 {
			s.expect(true, unavailable, 3)
		}
		for _, c := range s.copies {
			if n := c.calls.Load(); n != 5 {
				s.Errorf("one copy was tried %d times in 5 calls", n)
			}
		}
		s.expect(false, unavailable, 1)
	})
}

func TestAnAnswerIsAnAnswer(t *testing.T) {
	everywhere(t, 2, func(s *scene) {
		for _, c := range s.copies {
			c.behave(answers(notFound))
		}
		s.expect(true, notFound, 1)
		s.expect(false, notFound, 1)
	})
}

func TestACallEndsWithItsContext(t *testing.T) {
	everywhere(t, 2, func(s *scene) {
		for _, c := range s.copies {
			c.behave(c.hangs)
		}
		const arrives = 500 * time.Millisecond // in which a call reaches its copy on a busy machine, too
		late, cancel := context.WithTimeout(s.Context(), arrives)
		defer cancel()
		begin := time.Now()
		if _, err := s.call(late, true); resultOf(err) != tooLate {
			s.Errorf("deadline: %v", err)
		}
		gone, leave := context.WithCancel(s.Context())
		timer := time.AfterFunc(arrives, leave)
		defer timer.Stop()
		if _, err := s.call(gone, true); resultOf(err) != canceled {
			s.Errorf("cancel: %v", err)
		}
		if took := time.Since(begin); took > 5*time.Second {
			s.Errorf("took %v", took)
		}
		if n := s.tries(); n != 2 {
			s.Errorf("%d tries for 2 calls", n)
		}
	})
}

func TestOnlyPassingAndWarningCopiesAreCalled(t *testing.T) {
	everywhere(t, 3, func(s *scene) {
		s.copies[0].setStatus(adsum.Critical)
		s.copies[1].setStatus(adsum.Warning)
		for misses := 0; misses < 20; { // the news takes a moment
			before := s.copies[0].calls.Load()
			s.expect(false, answered, 1)
			misses++
			if s.copies[0].calls.Load() != before {
				misses = 0
			}
		}
		if s.copies[1].calls.Load() == 0 {
			s.Error("the copy with a warning was not called")
		}
		s.copies[0].setStatus(adsum.Passing)
		s.until("the copy is called again", func(addr string, _ error) bool { return addr == s.copies[0].addr })
	})
}

func TestTheRegistryMayGo(t *testing.T) {
	everywhere(t, 2, func(s *scene) {
		s.store.Down()
		for range 20 {
			s.expect(false, answered, 1)
		}
		s.store.Up()
	})
}

func TestNobodyIsSaidAtOnce(t *testing.T) {
	everywhere(t, 1, func(s *scene) {
		if err := s.copies[0].registration.Close(s.Context()); err != nil {
			s.Fatal(err)
		}
		begin := time.Now()
		s.until("nobody is left", func(_ string, err error) bool { return err != nil })
		if _, err := s.call(s.Context(), true); s.transport.name != "gRPC" && resultOf(err) != nobody {
			s.Errorf("error %v", err) // over gRPC it is a status, with the reason as its text
		}
		if took := time.Since(begin); took > 5*time.Second {
			s.Errorf("it took %v", took)
		}
	})
}

func TestAPinKeepsCallsOnOneCopyWhileItIsThere(t *testing.T) {
	everywhere(t, 3, func(s *scene) {
		ctx := lb.Pin(s.Context())
		first, err := s.call(ctx, false)
		if err != nil {
			s.Fatal(err)
		}
		for range 10 {
			if addr, err := s.call(ctx, false); err != nil || addr != first {
				s.Fatalf("answered by %q, %v; pinned to %s", addr, err, first)
			}
		}
		at := slices.IndexFunc(s.copies, func(c *server) bool { return c.addr == first })
		s.copies[at].stop()
		second, err := s.call(ctx, true)
		if err != nil || second == first {
			s.Fatalf("the pinned copy is gone: answered by %q, %v", second, err)
		}
		if addr, err := s.call(ctx, false); err != nil || addr != second {
			s.Errorf("answered by %q, %v; pinned to %s by now", addr, err, second)
		}
	})
}

func TestARollingRestartCostsNoCall(t *testing.T) {
	everywhere(t, 3, func(s *scene) {
		ctx, cancel := context.WithCancel(s.Context())
		var callers sync.WaitGroup
		var finished [4]atomic.Int64 // calls of each caller
		for i := range finished {
			callers.Go(func() {
				for ctx.Err() == nil {
					if _, err := s.call(s.Context(), false); err != nil {
						s.Error(err)
					}
					finished[i].Add(1)
				}
			})
		}
		for n := range 6 {
			old := s.copies[n%3]
			if err := old.registration.Close(s.Context()); err != nil {
				s.Fatal(err)
			}
			s.idle(old)
			for i := range finished { // calls that picked it before it was withdrawn
				for n := finished[i].Load() + 1; finished[i].Load() < n; {
					runtime.Gosched()
				}
			}
			old.stop()
			s.copies[n%3] = startServer(s.T, s.registry, s.transport)
			s.called(s.copies[n%3])
		}
		cancel()
		callers.Wait()
	})
}

// idle waits until a copy that was withdrawn is no longer called.
func (s *scene) idle(c *server) {
	s.Helper()
	for quiet := 0; quiet < 50; quiet++ {
		before := c.calls.Load()
		if _, err := s.call(s.Context(), false); err != nil {
			s.Error(err)
		}
		if c.calls.Load() != before {
			quiet = 0
		}
	}
}

// called waits until a copy is.
func (s *scene) called(c *server) {
	s.Helper()
	s.until("a new copy is called", func(string, error) bool { return c.calls.Load() > 0 })
}
