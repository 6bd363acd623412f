//go:build unix

package servers_test

import (
	"context"
	"testing"
	"time"

	"github.com/adsum-go/adsum/test/servers"
)

// store is the little of a registry that shows whether it serves and what it
// remembers.
type store struct {
	write func(context.Context) error
	// read reports whether what write wrote is there.
	read func(context.Context) (bool, error)
	// forgets says that a killed server comes back empty even though nobody
	// erased its data, because it keeps all in memory.
	forgets bool
}

// writeTimeout bounds one try, writeLimit all of them.
const (
	writeTimeout = time.Second
	writeLimit   = 15 * time.Second
)

// mustWrite tries until it succeeds: a write under way while a cluster elects
// a leader is lost.
func (s store) mustWrite(t *testing.T) {
	t.Helper()
	var err error
	for begin := time.Now(); time.Since(begin) < writeLimit; {
		if err = s.tryWrite(t); err == nil {
			return
		}
	}
	t.Fatalf("write: %v", err)
}

func (s store) tryWrite(t *testing.T) error {
	ctx, cancel := context.WithTimeout(t.Context(), writeTimeout)
	defer cancel()
	return s.write(ctx)
}

func (s store) mustHold(t *testing.T, want bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := s.read(ctx)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	if got != want {
		t.Fatalf("holds what was written: %v, want %v", got, want)
	}
}

func (s store) mustNotAnswer(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.read(ctx); err == nil {
		t.Fatal("the server answers")
	}
}

// checkFaults does everything to srv that a Server can have done to it.
func checkFaults(t *testing.T, srv servers.Server, s store) {
	t.Helper()
	addrs := srv.Addrs()
	s.mustWrite(t)
	s.mustHold(t, true)

	srv.Freeze()
	s.mustNotAnswer(t)
	srv.Thaw()
	s.mustHold(t, true)

	srv.Kill()
	s.mustNotAnswer(t)
	srv.Start()
	s.mustHold(t, !s.forgets)

	s.mustWrite(t)
	srv.Stop()
	s.mustNotAnswer(t)
	srv.Restart()
	s.mustHold(t, !s.forgets)

	s.mustWrite(t)
	srv.Freeze()
	srv.Wipe()
	s.mustHold(t, false)

	for i, addr := range srv.Addrs() {
		if addr != addrs[i] {
			t.Errorf("member %d moved from %s to %s", i, addrs[i], addr)
		}
	}
}
