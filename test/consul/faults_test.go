package consul_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
)

func TestTheAgentOfARegistrationDies(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true, Clients: 2})
	view := look(t, open(t, agents(srv.Server(0))), "book")
	stuck := keep(t, open(t, agents(srv.Client(0))), book(1))                // knows one agent
	moves := keep(t, open(t, agents(srv.Client(0), srv.Client(1))), book(2)) // knows another
	sees(t, view, "both", has("10.0.0.1:1", "10.0.0.1:2"))
	srv.Client(0).Kill()
	sees(t, view, "one unreachable by Consul's word, the other moved", func(s *adsum.Snapshot) bool {
		return is("10.0.0.1:1", adsum.Critical)(s) && is("10.0.0.1:2", adsum.Passing)(s) && len(s.Instances) == 2
	})
	becomes(t, moves, "registered at the other agent", func(s adsum.RegistrationState) bool { return s.Registered && s.Lost > 0 })
	srv.Client(0).Start()
	becomes(t, stuck, "registered again", func(s adsum.RegistrationState) bool { return s.Registered })
	sees(t, view, "both", func(s *adsum.Snapshot) bool {
		return is("10.0.0.1:1", adsum.Passing)(s) && is("10.0.0.1:2", adsum.Passing)(s) && len(s.Instances) == 2
	})
}

func TestOwnersAtTwoAgentsFindEachOther(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true, Clients: 1})
	older := keep(t, open(t, agents(srv.Server(0))), book(1))
	younger := book(2)
	younger.ID = "10.0.0.1:1"
	stays := keep(t, open(t, agents(srv.Client(0))), younger)
	becomes(t, older, "superseded", func(s adsum.RegistrationState) bool { return s.Superseded })
	view := look(t, open(t, agents(srv.Server(0))), "book")
	sees(t, view, "the younger", has("10.0.0.1:2"))
	c := admin(t, srv.Server(0).Addr(), "")
	eventually(t, "only the younger's record", func() bool { return len(passing(t, c, "book")) == 1 })
	if state := stays.State(); !state.Registered || state.Lost > 0 {
		t.Errorf("the younger is %+v", state)
	}
}

func TestARecordDeletedFromTheCatalogIsRegisteredAgain(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	c := admin(t, srv.Addr(), "")
	reg := keep(t, open(t, srv.Addrs()), book(1))
	view := look(t, open(t, srv.Addrs()), "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	if _, err := c.Catalog().Deregister(&api.CatalogDeregistration{Node: "server0", ServiceID: "book:10.0.0.1:1"}, nil); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	becomes(t, reg, "lost and back", func(s adsum.RegistrationState) bool { return s.Lost > 0 && s.Registered })
	sees(t, view, "it again", has("10.0.0.1:1"))
	if took := time.Since(started); took > 2*ttl { // Consul itself takes a minute
		t.Errorf("it took %v", took)
	}
}

func TestServersThatLoseTheirMemoryAreFilledAgain(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Clients: 1})
	reg := keep(t, open(t, agents(srv.Client(0))), book(1))
	view := look(t, open(t, agents(srv.Client(0))), "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	srv.Server(0).Wipe()
	if err := srv.Rejoin(); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	c := admin(t, srv.Server(0).Addr(), "")
	eventually(t, "in the catalog", func() bool { return len(passing(t, c, "book")) == 1 })
	sees(t, view, "it, fresh", func(s *adsum.Snapshot) bool { return has("10.0.0.1:1")(s) && s.SyncedAt.After(started) })
	registered(t, reg)
}

func TestAWipedAgentIsNotBelievedUntilItsOwnersAreBack(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{})
	reg := keep(t, open(t, srv.Addrs()), book(1))
	view := look(t, open(t, srv.Addrs()), "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	var emptied atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for change := range view.Changes(ctx) {
			emptied.CompareAndSwap(false, len(change.Snapshot.Instances) == 0)
		}
	}()
	srv.Wipe()
	wiped := time.Now()
	becomes(t, reg, "lost and back", func(s adsum.RegistrationState) bool { return s.Lost > 0 && s.Registered })
	sees(t, view, "it, fresh", func(s *adsum.Snapshot) bool { return has("10.0.0.1:1")(s) && s.SyncedAt.After(wiped) })
	cancel()
	<-done
	if emptied.Load() {
		t.Error("callers saw no instance")
	}
}

func TestAFrozenAgentIsSilentInTimeAndLosesNobodyWhenItWakes(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	keep(t, open(t, srv.Addrs()), book(1))
	keep(t, open(t, srv.Addrs()), book(2))
	view := look(t, open(t, srv.Addrs()), "book")
	sees(t, view, "both", has("10.0.0.1:1", "10.0.0.1:2"))
	w := startWatch(t, open(t, srv.Addrs()), "book")
	w.next(t, "there", size(2))
	srv.Freeze()
	frozen := time.Now()
	w.fails(t, adsum.ErrSilent)
	if took := time.Since(frozen); took > 500*time.Millisecond+2*time.Second+500*time.Millisecond { // half the heartbeat, and the timeout
		t.Errorf("it took %v", took)
	}
	<-time.After(time.Until(frozen.Add(2 * ttl))) // until every heartbeat has run out
	srv.Thaw()
	thawed := time.Now()
	for time.Since(thawed) < 9*time.Second {
		if s := view.Snapshot(); len(s.Select("", true)) != 2 {
			t.Fatalf("after %v callers are left with %v", time.Since(thawed), s.Instances)
		}
		<-time.After(10 * time.Millisecond)
	}
	sees(t, view, "both passing", func(s *adsum.Snapshot) bool {
		return is("10.0.0.1:1", adsum.Passing)(s) && is("10.0.0.1:2", adsum.Passing)(s)
	})
}

func TestAnIdleWatchGivesProofOfLife(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	w := startWatch(t, open(t, srv.Addrs()), "book")
	w.next(t, "there", size(0))
	for range 5 {
		started := time.Now()
		w.next(t, "alive", size(0))
		if silence := time.Since(started); silence > time.Second {
			t.Errorf("silent for %v with a heartbeat of 1 s", silence)
		}
	}
}

func TestServersWithoutALeaderAnswerWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Servers: 3})
	keep(t, open(t, agents(srv.Server(0))), book(1))
	view := look(t, open(t, agents(srv.Server(0)), "max-stale=30s"), "book")
	strict := look(t, open(t, agents(srv.Server(0))), "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	sees(t, strict, "it", has("10.0.0.1:1"))
	srv.Server(1).Kill()
	srv.Server(2).Kill()
	sees(t, strict, "stale, with the last known good", func(s *adsum.Snapshot) bool { return s.Stale() && len(s.Instances) == 1 })
	late := look(t, open(t, agents(srv.Server(0)), "max-stale=30s"), "book")
	sees(t, late, "it, from a server without a leader", func(s *adsum.Snapshot) bool { return len(s.Instances) == 1 && !s.FromDisk })
	srv.Server(1).Start()
	srv.Server(2).Start()
	sees(t, strict, "it, fresh", has("10.0.0.1:1"))
}

func TestAStaleIncarnationYields(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	r := open(t, srv.Addrs())
	older := lease(t, r, book(1), adsum.Claim{Owner: rand.Text()})
	younger := lease(t, r, book(1), adsum.Claim{Owner: rand.Text()})
	if older.Claim().Incarnation >= younger.Claim().Incarnation {
		t.Errorf("incarnations %d and then %d", older.Claim().Incarnation, younger.Claim().Incarnation)
	}
	if err := older.Update(soon(t), book(1)); !errors.Is(err, adsum.ErrSuperseded) {
		t.Errorf("the older updates: %v", err)
	}
	if _, err := r.Register(soon(t), book(1), adsum.RegisterOptions{TTL: ttl, Claim: older.Claim()}); !errors.Is(err, adsum.ErrSuperseded) {
		t.Errorf("the older registers again: %v", err)
	}
	if err := older.Close(soon(t)); err != nil {
		t.Error(err)
	}
	if err := younger.Update(soon(t), book(1)); err != nil {
		t.Errorf("the younger updates: %v", err)
	}
	if err := younger.Close(soon(t)); err != nil {
		t.Error(err)
	}
}

func TestTheAgentsOwnCheckDecides(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	c := admin(t, srv.Addr(), "")
	var healthy atomic.Bool
	web := httptest.NewServer(page(healthy.Load))
	t.Cleanup(web.Close)
	in := adsum.Instance{Service: "book", Addr: strings.TrimPrefix(web.URL, "http://")}
	r := open(t, srv.Addrs(), "check=http:/healthz", "check-interval=1s", "check-timeout=1s")
	reg := keep(t, r, in)
	view := look(t, r, "book")
	sees(t, view, "it critical", is(in.Addr, adsum.Critical))
	healthy.Store(true)
	sees(t, view, "it passing", is(in.Addr, adsum.Passing))
	if err := reg.SetStatus(adsum.Draining, "leaving"); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it draining", is(in.Addr, adsum.Draining))
	eventually(t, "hidden from others", func() bool { return len(passing(t, c, "book")) == 0 })
	if err := reg.SetStatus(adsum.Passing, ""); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it passing", is(in.Addr, adsum.Passing))

	// What the agent does after DeregisterCriticalServiceAfter.
	healthy.Store(false)
	sees(t, view, "it critical", is(in.Addr, adsum.Critical))
	if err := c.Agent().ServiceDeregister("book:" + in.Addr); err != nil {
		t.Fatal(err)
	}
	becomes(t, reg, "held back by its check", func(s adsum.RegistrationState) bool {
		return !s.Registered && s.LastError != nil && strings.Contains(s.LastError.Error(), "not before its check passes")
	})
	sees(t, view, "nothing", has())
	healthy.Store(true)
	sees(t, view, "it back", is(in.Addr, adsum.Passing))
}

func TestCutOffForLongerThanTheTTL(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	proxy := adsumtest.NewProxy(t, srv.Addr())
	reg := keep(t, open(t, []string{proxy.Addr()}), book(1))
	view := look(t, open(t, srv.Addrs()), "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	proxy.Hang()
	becomes(t, reg, "lost", func(s adsum.RegistrationState) bool { return s.Lost > 0 })
	sees(t, view, "that it ran out", is("10.0.0.1:1", adsum.Warning))
	sees(t, view, "it gone", has())
	proxy.Resume()
	registered(t, reg)
	sees(t, view, "it back", is("10.0.0.1:1", adsum.Passing))
}
