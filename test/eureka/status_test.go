package eureka_test

import (
	"net/http"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
)

func TestEveryStatusReachesForeignProgramsAndNoneSticks(t *testing.T) {
	t.Parallel()
	for _, srv := range []*servers.Eureka{sharedServer(t), sharedNetflix.server(t)} {
		raw, in := rawEureka{srv.URLs()[0]}, copyOf("status", 1)
		reg := keepFor(t, open(t, srv), in, longTTL)
		for _, step := range []struct {
			status             adsum.Status
			stored, overridden string
		}{
			{adsum.Draining, "OUT_OF_SERVICE", "OUT_OF_SERVICE"},
			{adsum.Passing, "UP", "UNKNOWN"},
			{adsum.Draining, "OUT_OF_SERVICE", "OUT_OF_SERVICE"},
			{adsum.Critical, "DOWN", "UNKNOWN"},
			{adsum.Warning, "UP", "UNKNOWN"},
			{adsum.Starting, "STARTING", "UNKNOWN"},
			{adsum.Passing, "UP", "UNKNOWN"},
		} {
			if err := reg.SetStatus(step.status, "because"); err != nil {
				t.Fatal(err)
			}
			awaits(t, reg, func(s adsum.RegistrationState) bool { return s.Published.Status == step.status })
			if got := raw.stored(t, "status", in.Addr); got.Status != step.stored || got.OverriddenStatus != step.overridden {
				t.Errorf("%s: %s is stored as %s, overridden %s; want %s, %s", raw.base, step.status, got.Status, got.OverriddenStatus, step.stored, step.overridden)
			}
		}
		if lost := reg.State().Lost; lost > 0 {
			t.Errorf("it was lost %d times", lost)
		}
	}
}

func TestAProgramThatDiedDrainingStartsPassing(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	in := copyOf("died", 1)
	in.Status = adsum.Draining
	dead := adsumtest.StartPublisher(t, "eureka+"+srv.URLs()[0]+quick, in, ttl)
	view := look(t, open(t, srv), "died")
	sees(t, view, "it draining", is(in.Addr, adsum.Draining, ""))
	dead.Kill()
	keep(t, open(t, srv), copyOf("died", 1))
	sees(t, view, "it passing", is(in.Addr, adsum.Passing, ""))
}

func TestAnOperatorsWordInEurekaWins(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	raw, in := rawEureka{srv.URLs()[0]}, copyOf("operated", 1)
	reg := keepFor(t, open(t, srv), in, longTTL)
	view := look(t, open(t, srv), "operated")
	sees(t, view, "it", is(in.Addr, adsum.Passing, ""))
	path := "/apps/OPERATED/operated:" + in.Addr + "/status?value="
	if err := raw.do(soon(t), http.MethodPut, path+"OUT_OF_SERVICE", ""); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it drained", is(in.Addr, adsum.Draining, adsum.Passing))
	if err := reg.Update(func(in *adsum.Instance) { in.Version = "2" }); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it updated and still drained", func(s *adsum.Snapshot) bool {
		got, ok := s.Get(in.Addr)
		return ok && got.Version == "2" && is(in.Addr, adsum.Draining, adsum.Passing)(s)
	})
	if err := raw.do(soon(t), http.MethodDelete, path+"UP", ""); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "it passing again", is(in.Addr, adsum.Passing, ""))
	if lost := reg.State().Lost; lost > 0 {
		t.Errorf("an operator's word made it lose its record %d times", lost)
	}
}
