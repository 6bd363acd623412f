package eureka_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
)

// drainAndWeight is what an operator says in these tests.
var drainAndWeight = adsum.Override{Status: adsum.Draining, Weight: 7, Reason: "disk swap"}

// operator is who puts a word on instances.
func operator(t *testing.T, srv *servers.Eureka) adsum.Overrider {
	t.Helper()
	return open(t, srv).(adsum.Overrider)
}

func impose(t *testing.T, who adsum.Overrider, service, id string, o adsum.Override) {
	t.Helper()
	if err := who.Override(soon(t), service, id, o); err != nil {
		t.Fatal(err)
	}
}

// inForce checks what is listed.
func inForce(t *testing.T, who adsum.Overrider, service, id string, want adsum.Override) {
	t.Helper()
	if all, err := who.Overrides(soon(t), service); err != nil || all[id] != want || want == (adsum.Override{}) && len(all) > 0 {
		t.Errorf("the overrides in force are %+v, %v; want %+v", all, err, want)
	}
}

// obeys is the condition that an instance is under an override.
func obeys(id string, o adsum.Override) func(*adsum.Snapshot) bool {
	return func(s *adsum.Snapshot) bool {
		in, ok := s.Get(id)
		if o.Status == adsum.Draining {
			return ok && in.Status == adsum.Draining && in.Reported == adsum.Passing && in.Reason == o.Reason && in.Weight == max(o.Weight, 1)
		}
		return ok && in.Status == adsum.Passing && in.Reported == "" && in.Weight == max(o.Weight, 1)
	}
}

func TestAnOverrideOutlivesWhatTheInstanceDoes(t *testing.T) {
	t.Parallel()
	for _, srv := range []*servers.Eureka{sharedServer(t), sharedNetflix.server(t)} {
		who, raw, in := operator(t, srv), rawEureka{srv.URLs()[0]}, copyOf("overridden", 1)
		reg := keep(t, open(t, srv), in)
		view := look(t, open(t, srv), in.Service)
		impose(t, who, in.Service, in.Addr, drainAndWeight)
		sees(t, view, "it drained", obeys(in.Addr, drainAndWeight))

		if err := reg.Update(func(in *adsum.Instance) { in.Version = "2" }); err != nil {
			t.Fatal(err)
		}
		sees(t, view, "version 2, drained", func(s *adsum.Snapshot) bool {
			got, ok := s.Get(in.Addr)
			return ok && got.Version == "2" && obeys(in.Addr, drainAndWeight)(s)
		})
		got := raw.stored(t, in.Service, in.Addr)
		if got.Status != "OUT_OF_SERVICE" || got.OverriddenStatus != "OUT_OF_SERVICE" || got.Metadata["weight"] != "7" {
			t.Errorf("%s: foreign programs see %+v", raw.base, got)
		}

		if err := reg.Close(soon(t)); err != nil {
			t.Fatal(err)
		}
		inForce(t, who, in.Service, in.Addr, drainAndWeight)
		keep(t, open(t, srv), in)
		sees(t, view, "it drained after a restart", obeys(in.Addr, drainAndWeight))

		impose(t, who, in.Service, in.Addr, adsum.Override{Weight: 3})
		sees(t, view, "it called again, with another weight", obeys(in.Addr, adsum.Override{Weight: 3}))
		impose(t, who, in.Service, in.Addr, adsum.Override{})
		sees(t, view, "nothing of it any more", obeys(in.Addr, adsum.Override{}))
		inForce(t, who, in.Service, in.Addr, adsum.Override{})
		if got := raw.stored(t, in.Service, in.Addr); got.Status != "UP" || got.OverriddenStatus != "UNKNOWN" {
			t.Errorf("%s: foreign programs see %+v", raw.base, got)
		}
	}
}

func TestAnOverrideOutlivesTheServersMemoryUnlessItWasUndone(t *testing.T) {
	t.Parallel()
	srv := servers.StartEureka(t, servers.EurekaOptions{})
	who, kept, undone := operator(t, srv), book(1), book(2)
	keep(t, open(t, srv), kept)
	keep(t, open(t, srv), undone)
	view := look(t, open(t, srv), "book")
	for _, in := range []adsum.Instance{kept, undone} {
		impose(t, who, "book", in.Addr, drainAndWeight)
		sees(t, view, "it drained", obeys(in.Addr, drainAndWeight))
	}
	awaitsObedience(t, srv, "book", kept.Addr, "7")
	impose(t, who, "book", undone.Addr, adsum.Override{})
	awaitsObedience(t, srv, "book", undone.Addr, "")

	srv.Wipe()
	sees(t, view, "both as before", func(s *adsum.Snapshot) bool {
		return has(kept.Addr, undone.Addr)(s) && obeys(kept.Addr, drainAndWeight)(s) && obeys(undone.Addr, adsum.Override{})(s)
	})
	if all, err := who.Overrides(soon(t), "book"); err != nil || len(all) != 1 || all[kept.Addr] != drainAndWeight {
		t.Errorf("the overrides in force are %+v, %v", all, err)
	}
}

// awaitsObedience waits until the owner itself published the weight that an
// operator said, "" for none.
func awaitsObedience(t *testing.T, srv *servers.Eureka, service, id, weight string) {
	t.Helper()
	eventually(t, "published with the weight "+strconv.Quote(weight), func() bool {
		return rawEureka{srv.URLs()[0]}.stored(t, service, id).Metadata["weight"] == weight
	})
}

func TestADrainThatIsTakenOutOfEurekaByOthersComesBack(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	who, raw, in := operator(t, srv), rawEureka{srv.URLs()[0]}, copyOf("undrained", 1)
	keep(t, open(t, srv), in)
	view := look(t, open(t, srv), in.Service)
	impose(t, who, in.Service, in.Addr, drainAndWeight)
	sees(t, view, "it drained", obeys(in.Addr, drainAndWeight))
	if err := raw.do(soon(t), http.MethodDelete, "/apps/UNDRAINED/undrained:"+in.Addr+"/status?value=UP", ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "restored by its owner", func() bool {
		return raw.stored(t, in.Service, in.Addr).OverriddenStatus == "OUT_OF_SERVICE"
	})
}

func TestAProgramThatCrashedStartsUnderItsOverride(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	who, in := operator(t, srv), copyOf("crashed", 1)
	dead := adsumtest.StartPublisher(t, "eureka+"+srv.URLs()[0]+quick, in, ttl)
	view := look(t, open(t, srv), in.Service)
	sees(t, view, "it", obeys(in.Addr, adsum.Override{}))
	impose(t, who, in.Service, in.Addr, drainAndWeight)
	dead.Kill()
	sees(t, view, "it gone", has())
	keep(t, open(t, srv), in)
	sees(t, view, "it back, drained", obeys(in.Addr, drainAndWeight))
	impose(t, who, in.Service, in.Addr, adsum.Override{}) // the server is shared, and remembers
}

func TestPeersAgreeOnAnOverride(t *testing.T) {
	t.Parallel()
	srv := servers.StartEureka(t, servers.EurekaOptions{Members: 2})
	on := func(member int) adsum.Registry {
		r := openURL(t, "eureka+"+srv.URLs()[member]+quick)
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	in, who := book(1), on(1).(adsum.Overrider)
	keep(t, on(0), in)
	views := []*adsum.View{look(t, on(0), "book"), look(t, on(1), "book")}
	for _, view := range views {
		sees(t, view, "it", obeys(in.Addr, adsum.Override{}))
	}
	for _, o := range []adsum.Override{drainAndWeight, {Weight: 3}, {}} {
		impose(t, who, "book", in.Addr, o)
		for member, view := range views {
			sees(t, view, fmt.Sprintf("%+v at member %d", o, member), obeys(in.Addr, o))
		}
	}
}

// What Eureka does with a foreign program's override is all that holds it.
func TestAForeignInstanceIsUnderAnOverrideUntilItLeaves(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	who, raw := operator(t, srv), rawEureka{srv.URLs()[0]}
	const service, id = "stranger", "10.0.0.9:stranger:80"
	path := "/apps/STRANGER/" + id
	defer func() { // nobody of this library's keeps them
		impose(t, who, service, id, adsum.Override{})
		_ = raw.do(soon(t), http.MethodDelete, path, "") // a test that failed may not have come to it
	}()
	register := func() {
		t.Helper()
		if err := raw.post(soon(t), "STRANGER", `{"instance":{"instanceId":"`+id+`","app":"STRANGER","vipAddress":"stranger","hostName":"10.0.0.9","ipAddr":"10.0.0.9","status":"UP",
			"port":{"$":80,"@enabled":"true"},"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},"metadata":{"zone":"eu-1"}}}`); err != nil {
			t.Fatal(err)
		}
	}
	under := func(status adsum.Status, reason string, weight int) func(*adsum.Snapshot) bool {
		return func(s *adsum.Snapshot) bool {
			in, ok := s.Get(id)
			return ok && in.Status == status && in.Reason == reason && in.Weight == weight && len(in.Metadata) == 1
		}
	}
	register()
	view := look(t, open(t, srv), service)
	sees(t, view, "it", under(adsum.Passing, "", 1))
	impose(t, who, service, id, drainAndWeight)
	sees(t, view, "it drained", under(adsum.Draining, drainAndWeight.Reason, 7))
	inForce(t, who, service, id, drainAndWeight)
	impose(t, who, service, id, adsum.Override{Weight: 3})
	sees(t, view, "it called again", under(adsum.Passing, "", 3))
	inForce(t, who, service, id, adsum.Override{Weight: 3})

	impose(t, who, service, id, drainAndWeight)
	register() // without leaving before: Eureka keeps its own override alone
	sees(t, view, "it drained", under(adsum.Draining, "", 1))
	inForce(t, who, service, id, adsum.Override{Status: adsum.Draining})
	if err := raw.do(soon(t), http.MethodDelete, path, ""); err != nil {
		t.Fatal(err)
	}
	register()
	sees(t, view, "it passing", under(adsum.Passing, "", 1))
	inForce(t, who, service, id, adsum.Override{})
}

func TestOverridesAreNoService(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	impose(t, operator(t, srv), "listed", "1", drainAndWeight)
	r, in := open(t, srv), copyOf("listed", 1)
	keep(t, r, in)
	ctx, stop := context.WithCancel(soon(t))
	defer stop()
	var seen []string
	err := r.(adsum.ServiceWatcher).WatchServices(ctx, func(names []string) { seen = names; stop() })
	if err != nil || !slices.Contains(seen, "listed") || slices.Contains(seen, "adsum-overrides") {
		t.Errorf("services %v, %v", seen, err)
	}
	if _, err := adsum.Register(r, copyOf("Adsum-Overrides", 1)); !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("a service of the name under which overrides lie: %v", err)
	}
}
