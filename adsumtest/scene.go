package adsumtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
)

// scene is what a case plays in: a namespace of its own, its clients, and
// waits that end as soon as what they wait for is there. Everything opened
// through it is closed when the case ends.
type scene struct {
	*testing.T
	*Harness
	caps    adsum.Capabilities
	base    string
	service string
	log     *slog.Logger
	result  *Result
	ttl     time.Duration  // of the records of publish
	records adsum.Registry // of publish, opened when needed
	filled  []adsum.Instance
}

func newScene(t *testing.T, run *conformanceRun, result *Result) *scene {
	base := newBase(result.Number)
	s := &scene{T: t, Harness: run.harness, caps: run.caps, result: result, base: base, service: base + "-book",
		log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	s.ttl = s.longTTL()
	return s
}

func newBase(number int) string {
	return fmt.Sprintf("case-%02d-%s", number, strings.ToLower(rand.Text()[:8]))
}

// measured adds a figure to the matrix. Of several with one name the worst
// counts.
func (s *scene) measured(name string, d time.Duration) {
	for i, f := range s.result.Figures {
		if f.Name == name {
			s.result.Figures[i].Value = max(f.Value, d)
			return
		}
	}
	s.result.Figures = append(s.result.Figures, Figure{name, d})
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// propagation is how long a change may take to be seen.
func (s *scene) propagation() time.Duration { return s.caps.Propagation + s.Slack }

// detection is how long a dead instance may be seen.
func (s *scene) detection() time.Duration {
	d, _ := s.caps.Detection(s.TTL)
	return d + s.Slack
}

// longTTL is for records that must not run out while a case lasts.
func (s *scene) longTTL() time.Duration { return max(30*time.Second, s.TTL) }

// bounded returns a context for calls that should be answered.
func (s *scene) bounded() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
	s.Cleanup(cancel)
	return ctx
}

// client opens a client of its own.
func (s *scene) client() adsum.Registry {
	s.Helper()
	registry := s.connect(s.T, s.base).Registry
	s.closeAtEnd(registry)
	return registry
}

func (s *scene) closeAtEnd(registry adsum.Registry) {
	s.Cleanup(func() {
		if err := registry.Close(); err != nil {
			s.Errorf("close the registry: %v", err)
		}
	})
}

// cuttable is a client whose connection's faults the case uses.
func (s *scene) cuttable() *Client {
	s.Helper()
	c := s.connect(s.T, s.base)
	s.closeAtEnd(c.Registry)
	if c.Cut == nil || c.Heal == nil || c.Freeze == nil || c.Thaw == nil {
		s.Fatal("the harness's Connect returns no Cut, Heal, Freeze and Thaw: provide them, or say in NotApplicable why this case does not apply")
	}
	s.Cleanup(func() { c.Heal(); c.Thaw() })
	return c
}

// instance returns a plain instance of the case's service.
func (s *scene) instance(n int) adsum.Instance {
	return adsum.Instance{ID: fmt.Sprintf("copy-%03d", n), Service: s.service, Addr: fmt.Sprintf("10.20.%d.%d:8080", n/250, n%250+1)}
}

// lease registers without supervision, and withdraws at the end.
func (s *scene) lease(registry adsum.Registry, in adsum.Instance, claim adsum.Claim) adsum.Lease {
	s.Helper()
	lease, err := registry.Register(s.bounded(), in.WithDefaults(), adsum.RegisterOptions{TTL: s.caps.ClampTTL(s.longTTL()), Claim: claim})
	if err != nil {
		s.Fatalf("register %s: %v", &in, err)
	}
	s.Cleanup(func() { _ = lease.Close(s.bounded()) }) // the case may have closed or lost it
	return lease
}

func newOwner() adsum.Claim { return adsum.Claim{Owner: rand.Text()} }

// register starts a supervised registration and waits until it stands.
func (s *scene) register(registry adsum.Registry, in adsum.Instance, ttl time.Duration) *adsum.Registration {
	s.Helper()
	reg := s.registering(registry, in, ttl)
	s.await(reg, "registered", isRegistered)
	return reg
}

// registering starts a supervised registration, and closes it at the end.
func (s *scene) registering(registry adsum.Registry, in adsum.Instance, ttl time.Duration) *adsum.Registration {
	s.Helper()
	reg, err := adsum.Register(registry, in, adsum.WithTTL(ttl), adsum.WithLogger(s.log))
	if err != nil {
		s.Fatalf("register %s: %v", &in, err)
	}
	s.Cleanup(func() { _ = reg.Close(s.bounded()) }) // the case may have left the registry unreachable
	return reg
}

// await waits for a state of a registration. It returns how long that took.
func (s *scene) await(reg *adsum.Registration, what string, condition func(adsum.RegistrationState) bool) time.Duration {
	s.Helper()
	start := time.Now()
	if state, err := reg.Wait(s.bounded(), condition); err != nil {
		s.Fatalf("waited %v for the registration to be %s: %v; state %+v", s.Patience, what, err, state)
	}
	return time.Since(start)
}

// record is an instance in the registry, however it came there.
type record struct {
	scene *scene
	in    adsum.Instance
	reg   *adsum.Registration // nil where the driver cannot register
}

// publish puts an instance into the registry and keeps it there: by a
// registration, or past a driver that can only read.
func (s *scene) publish(in adsum.Instance) *record {
	s.Helper()
	r := &record{scene: s, in: in}
	if !s.caps.Register {
		s.filled = append(s.filled, in)
		s.fill()
		return r
	}
	if s.records == nil {
		s.records = s.client()
	}
	r.reg = s.register(s.records, in, s.ttl)
	return r
}

// update replaces the instance, and waits until the registry accepted.
func (r *record) update(change func(*adsum.Instance)) {
	r.scene.Helper()
	change(&r.in)
	if r.reg == nil {
		r.scene.filled[r.index()] = r.in
		r.scene.fill()
		return
	}
	r.scene.must(r.reg.Update(change))
	want := r.reg.Instance()
	r.scene.await(r.reg, "updated", func(state adsum.RegistrationState) bool {
		return state.Registered && state.Published.Equal(&want)
	})
}

// withdraw takes the instance away, and waits until the registry accepted.
func (r *record) withdraw() {
	r.scene.Helper()
	if r.reg == nil {
		r.scene.filled = slices.Delete(r.scene.filled, r.index(), r.index()+1)
		r.scene.fill()
		return
	}
	r.scene.must(r.reg.Close(r.scene.bounded()))
}

func (r *record) index() int {
	return slices.IndexFunc(r.scene.filled, func(in adsum.Instance) bool { return in.ID == r.in.ID })
}

func (s *scene) fill() {
	s.Helper()
	if s.Fill == nil {
		s.Fatal("the harness has no Fill, and the driver declares that it cannot register: provide it")
	}
	s.must(s.Fill(s.bounded(), s.base, s.service, slices.Clone(s.filled)))
}

// eventually polls for what nothing announces.
func (s *scene) eventually(what string, bound time.Duration, ok func() bool) {
	s.Helper()
	deadline := time.NewTimer(bound)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-deadline.C:
			s.Fatalf("waited %v for %s", bound, what)
		}
	}
}
