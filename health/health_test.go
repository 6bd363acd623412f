package health_test

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/health"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

var errDown = errors.New("down")

// switchable is a probe whose answer the test sets.
type switchable struct {
	mu    sync.Mutex
	err   error
	asked int
}

func (s *switchable) Probe(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.err
}

func (s *switchable) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *switchable) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// recorder is a registration that notes every status it was given.
type recorder struct {
	mu       sync.Mutex
	instance adsum.Instance
	history  []string
}

func (r *recorder) Update(change func(*adsum.Instance)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.instance
	change(&r.instance)
	if !r.instance.Equal(&before) {
		r.history = append(r.history, describe(r.instance.Status, r.instance.Reason))
	}
	return r.instance.Validate()
}

func (r *recorder) get() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.history...)
}

func newRecorder(status adsum.Status) *recorder {
	return &recorder{instance: adsum.Instance{Service: "book", Addr: "127.0.0.1:1", Status: status}}
}

func describe(status adsum.Status, reason string) string {
	if reason == "" {
		return string(status)
	}
	return string(status) + " (" + reason + ")"
}

// start runs the checks until the test ends, quietly.
func start(t *testing.T, checks ...health.Check) *health.Checker {
	t.Helper()
	c, err := health.Start(checks, health.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// awaitResult waits for the first answer of a single check, which may have come
// already.
func awaitResult(c *health.Checker) {
	for {
		changed := c.Changed()
		if len(c.Report().Checks[0].Results) > 0 {
			return
		}
		<-changed
	}
}

func expectStatus(t *testing.T, c *health.Checker, status adsum.Status, reason string) {
	t.Helper()
	if s, r := c.Status(); s != status || r != reason {
		t.Fatalf("after %v: status %s, want %s", time.Since(epoch), describe(s, r), describe(status, reason))
	}
}

// epoch is where every bubble's clock starts.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
