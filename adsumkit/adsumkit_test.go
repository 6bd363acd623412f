package adsumkit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/kit/endpoint"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/memory"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

var (
	silent = slog.New(slog.DiscardHandler)
	quiet  = adsum.WithLogger(silent)
)

// world is a registry in memory with a directory on it.
type world struct {
	t      *testing.T
	server *memory.Server
	dir    *adsum.Directory

	registrations []*adsum.Registration
}

func newWorld(t *testing.T) *world {
	server := memory.NewServer()
	client := server.Client()
	dir := adsum.NewDirectory(client, quiet)
	t.Cleanup(func() {
		if err := errors.Join(dir.Close(), client.Close()); err != nil {
			t.Error(err)
		}
	})
	return &world{t: t, server: server, dir: dir}
}

// publish keeps an instance of book registered until the test ends or it is
// closed.
func (w *world) publish(in adsum.Instance) *adsum.Registration {
	w.t.Helper()
	in.Service = "book"
	client := w.server.Client()
	reg, err := adsum.Register(client, in, quiet)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = reg.Close(context.Background()) // it may be closed, or its server down
		if err := client.Close(); err != nil {
			w.t.Error(err)
		}
	})
	if _, err := reg.Wait(w.t.Context(), func(s adsum.RegistrationState) bool { return s.Registered }); err != nil {
		w.t.Fatal(err)
	}
	w.registrations = append(w.registrations, reg)
	return reg
}

func (w *world) publishAll(addrs ...string) (regs []*adsum.Registration) {
	w.t.Helper()
	for _, addr := range addrs {
		regs = append(regs, w.publish(adsum.Instance{Addr: addr}))
	}
	return regs
}

func (w *world) instancer(opts ...adsumkit.InstancerOption) *adsumkit.Instancer {
	w.t.Helper()
	i, err := adsumkit.NewInstancer(w.dir, "book", opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(i.Stop)
	return i
}

func (w *world) endpointer(s *servers) *adsumkit.Endpointer {
	w.t.Helper()
	e := adsumkit.NewEndpointer(w.instancer(), s.factory, adsumkit.WithEndpointerLogger(silent))
	w.t.Cleanup(e.Close)
	return e
}

// wait lets virtual time pass, and everything due in it happen.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// settled is more than any change takes to reach everybody.
const settled = 100 * time.Millisecond

// servers are the programs behind the instances: a factory's other side.
type servers struct {
	mu     sync.Mutex
	broken map[string]error                                 // factories that fail
	answer map[string]func(context.Context) (string, error) // by instance; its own name if nil
	made   map[string]int
	closed map[string]int
	calls  []string
}

func newServers() *servers {
	return &servers{broken: map[string]error{}, answer: map[string]func(context.Context) (string, error){},
		made: map[string]int{}, closed: map[string]int{}}
}

func (s *servers) factory(instance string) (endpoint.Endpoint, io.Closer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[instance]++
	if err := s.broken[instance]; err != nil {
		return nil, nil, err
	}
	open := true
	call := func(ctx context.Context, _ any) (any, error) {
		s.mu.Lock()
		s.calls = append(s.calls, instance)
		answer := s.answer[instance]
		usable := open
		s.mu.Unlock()
		switch {
		case !usable:
			return nil, fmt.Errorf("%s was called after its closer ran", instance)
		case answer != nil:
			return answer(ctx)
		}
		return instance, nil
	}
	return call, closer(func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		open = false
		s.closed[instance]++
		return nil
	}), nil
}

func (s *servers) answers(instance string, f func(context.Context) (string, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer[instance] = f
}

func (s *servers) fails(instance string, err error) {
	s.answers(instance, func(context.Context) (string, error) { return "", err })
}

func (s *servers) breaks(instance string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[instance] = err
}

func (s *servers) counts(instance string) (made, closed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made[instance], s.closed[instance]
}

// called returns who was called since the last time it was asked.
func (s *servers) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

type closer func() error

func (c closer) Close() error { return c() }

// ask makes n calls and returns the answers.
func ask(t *testing.T, call endpoint.Endpoint, n int) []string {
	t.Helper()
	answers := make([]string, n)
	for i := range answers {
		response, err := call(t.Context(), nil)
		if err != nil {
			t.Fatalf("call %d: %v", i+1, err)
		}
		answers[i] = response.(string)
	}
	return answers
}
