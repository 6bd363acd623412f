package consul_test

import (
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/test/servers"
)

const first = "10.0.0.1:1" // the id of book(1)

func TestMaintenanceModeIsADrainAndSurvivesRegisteringAgain(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	c := admin(t, srv.Addr(), "")
	r := open(t, srv.Addrs())
	reg := keep(t, r, book(1))
	view := look(t, r, "book")
	sees(t, view, "it", has(first))
	if err := c.Agent().EnableServiceMaintenance("book:"+first, "new disk"); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it draining", func(s *adsum.Snapshot) bool {
		in, ok := s.Get(first)
		return ok && in.Status == adsum.Draining && in.Reason == "new disk" && in.Reported == adsum.Passing
	})
	w := startWatch(t, r, "book")
	w.next(t, "there", size(1))
	// Updates, and a registration that has lost its check, leave it alone.
	for _, status := range []adsum.Status{adsum.Starting, adsum.Warning} {
		if err := reg.SetStatus(status, "cold"); err != nil {
			t.Fatal(err)
		}
		becomes(t, reg, string(status), func(s adsum.RegistrationState) bool { return s.Published.Status == status })
	}
	if err := c.Agent().CheckDeregister("service:book:" + first); err != nil {
		t.Fatal(err)
	}
	becomes(t, reg, "lost and back", func(s adsum.RegistrationState) bool { return s.Lost > 0 && s.Registered })
	eventually(t, "only the checks of the last status", func() bool {
		checks, err := c.Agent().Checks()
		_, heartbeat := checks["service:book:"+first]
		_, word := checks["adsum:warning:book:"+first]
		return err == nil && len(checks) == 3 && heartbeat && word
	})
	for len(w.listings) > 0 {
		if l := <-w.listings; l.Instances[0].Status != adsum.Draining {
			t.Errorf("shown in between as %+v", l.Instances[0])
		}
	}
	all, err := r.(adsum.Overrider).Overrides(soon(t), "book")
	if err != nil || all[first] != (adsum.Override{Status: adsum.Draining, Reason: "new disk"}) {
		t.Errorf("overrides %v, %v", all, err)
	}
	if err := r.(adsum.Overrider).Override(soon(t), "book", first, adsum.Override{}); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it as it says itself", is(first, adsum.Warning))
}

func TestAnOverrideOutlivesTheRecordAndReachesOtherPrograms(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	c := admin(t, srv.Addr(), "")
	r := open(t, srv.Addrs())
	operator := r.(adsum.Overrider)
	word := adsum.Override{Status: adsum.Draining, Weight: 9, Reason: "upgrade"}
	if err := operator.Override(soon(t), "book", first, word); err != nil {
		t.Fatal(err)
	}
	reg := keep(t, r, book(1))
	if got := passing(t, c, "book"); len(got) != 0 {
		t.Errorf("others may call %v", got)
	}
	checks, err := c.Agent().Checks()
	if err != nil || checks["_service_maintenance:book:"+first] == nil {
		t.Fatalf("not in maintenance: %v, %v", checks, err)
	}
	s, _, err := c.Agent().Service("book:"+first, nil)
	if err != nil || s.Weights.Passing != 9 {
		t.Errorf("others see weight %d, %v", s.Weights.Passing, err)
	}
	if err := operator.Override(soon(t), "book", first, adsum.Override{}); err != nil {
		t.Fatal(err)
	}
	view := look(t, r, "book")
	sees(t, view, "its own weight and status", func(s *adsum.Snapshot) bool {
		in, ok := s.Get(first)
		return ok && in.Weight == 1 && in.Status == adsum.Passing
	})
	eventually(t, "its own weight to others", func() bool {
		s, _, err := c.Agent().Service("book:"+first, nil)
		return err == nil && s.Weights.Passing == 1
	})
	registered(t, reg)
}

func TestAnOverrideThroughAnotherAgentIsObeyed(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true, Clients: 1})
	keep(t, open(t, agents(srv.Client(0))), book(1))
	elsewhere := open(t, agents(srv.Server(0)))
	view := look(t, elsewhere, "book")
	sees(t, view, "it", has(first))
	operator := elsewhere.(adsum.Overrider)
	if err := operator.Override(soon(t), "book", first, adsum.Override{Status: adsum.Draining, Reason: "far"}); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it draining", is(first, adsum.Draining))
	c := admin(t, srv.Server(0).Addr(), "")
	eventually(t, "hidden from others", func() bool { return len(passing(t, c, "book")) == 0 })
	if err := operator.Override(soon(t), "book", first, adsum.Override{}); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it passing", is(first, adsum.Passing))
	eventually(t, "offered to others", func() bool { return len(passing(t, c, "book")) == 1 })
}
