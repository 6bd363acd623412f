package consul_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/consul"
	"github.com/adsum-go/adsum/test/following"
	"github.com/adsum-go/adsum/test/servers"
)

func TestOtherProgramsSeeAServiceLikeAnyOther(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	c := admin(t, srv.Addr(), "")
	in := book(50051)
	in.Tags, in.Weight, in.Zone, in.Version = []string{"canary"}, 7, "eu-1", "v1"
	in.Metadata = map[string]string{"team": "red"}
	in.Endpoints = map[string]string{"grpc": "10.0.0.1:50051"}
	reg := keep(t, open(t, srv.Addrs()), in)
	answer, _, err := c.Health().Service("book", "canary", true, (&api.QueryOptions{}).WithContext(soon(t)))
	if err != nil || len(answer) != 1 {
		t.Fatalf("%v, %v", answer, err)
	}
	s := answer[0].Service
	if s.Address != "10.0.0.1" || s.Port != 50051 || s.Weights.Passing != 7 || s.Meta["zone"] != "eu-1" || s.Meta["version"] != "v1" ||
		s.Meta["team"] != "red" || s.TaggedAddresses["grpc"].Address != "grpc://10.0.0.1:50051" {
		t.Errorf("got %+v", s)
	}
	for _, test := range []struct {
		status adsum.Status
		there  bool
	}{{adsum.Starting, false}, {adsum.Warning, false}, {adsum.Draining, false}, {adsum.Passing, true}, {adsum.Critical, false}, {adsum.Passing, true}} {
		if err := reg.SetStatus(test.status, "why"); err != nil {
			t.Fatal(err)
		}
		// Consul calls warning not passing, and lists it without that filter.
		eventually(t, string(test.status)+" seen by others", func() bool { return (len(passing(t, c, "book")) == 1) == test.there })
		eventually(t, string(test.status)+" explained", func() bool {
			checks, _, err := c.Health().Checks("book", (&api.QueryOptions{}).WithContext(soon(t)))
			return err == nil && (test.there || slices.ContainsFunc(checks, func(k *api.HealthCheck) bool {
				return k.Name == "adsum: "+string(test.status) && k.Notes == "why"
			}))
		})
	}
	if err := reg.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	if left, _ := c.Agent().Checks(); len(left) != 0 {
		t.Errorf("checks left behind: %v", left)
	}
}

func TestServicesOfOtherProgramsAreRead(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	c := admin(t, srv.Addr(), "")
	register := func(s *api.AgentServiceRegistration) {
		t.Helper()
		s.Name = "users"
		if err := c.Agent().ServiceRegister(s); err != nil {
			t.Fatal(err)
		}
	}
	register(&api.AgentServiceRegistration{ID: "gokit", Address: "127.0.0.1", Port: 7001, Tags: []string{"v1"}, Meta: map[string]string{"weight": "10"},
		Checks: api.AgentServiceChecks{{CheckID: "ttl:gokit", TTL: "1h", Status: "passing"}}})
	register(&api.AgentServiceRegistration{ID: "kratos", Address: "127.0.0.1", Port: 7002, Tags: []string{"version=1.2.3"},
		TaggedAddresses: map[string]api.ServiceAddress{"grpc": {Address: "grpc://127.0.0.1:7002", Port: 7002}},
		Checks:          api.AgentServiceChecks{{CheckID: "service:kratos", TTL: "1h"}}}) // as it starts
	register(&api.AgentServiceRegistration{Port: 7003}) // no id, no address, no check
	view := look(t, open(t, srv.Addrs()), "users")
	sees(t, view, "all three", func(s *adsum.Snapshot) bool { return len(s.Instances) == 3 })
	s := view.Snapshot()
	if in, ok := s.Get("gokit"); !ok || in.Weight != 10 || in.Status != adsum.Passing || !in.HasTag("v1") {
		t.Errorf("go-kit's is %+v", in)
	}
	if in, ok := s.Get("kratos"); !ok || in.Version != "1.2.3" || in.Status != adsum.Critical || in.Endpoints["grpc"] != "127.0.0.1:7002" {
		t.Errorf("Kratos' is %+v", in)
	}
	if in, ok := s.Get("users@server0"); !ok || in.Addr != "127.0.0.1:7003" {
		t.Errorf("the bare one is %+v", in)
	}
	if err := c.Agent().UpdateTTL("service:kratos", "", "passing"); err != nil {
		t.Fatal(err)
	}
	sees(t, view, "Kratos' passing", is("kratos", adsum.Passing))
	remover := open(t, srv.Addrs()).(adsum.Remover)
	for _, id := range []string{"gokit", "users@server0"} {
		if err := remover.Remove(soon(t), "users", id); err != nil {
			t.Errorf("remove %s: %v", id, err)
		}
	}
	sees(t, view, "one left", has("127.0.0.1:7002"))
}

func TestTheServerFiltersWhereAsked(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	r := open(t, srv.Addrs())
	tagged, sick := book(1), book(2)
	tagged.Tags, sick.Tags = []string{"blue", "canary"}, []string{"blue"}
	sick.Status = adsum.Critical
	keep(t, r, tagged)
	keep(t, r, sick)
	keep(t, r, book(3))
	sees(t, look(t, r, "book"), "all", has("10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3"))
	sees(t, look(t, open(t, srv.Addrs(), "tag=blue"), "book"), "the blue ones", has("10.0.0.1:1", "10.0.0.1:2"))
	sees(t, look(t, open(t, srv.Addrs(), "tag=blue", "tag=canary"), "book"), "those with both tags", has("10.0.0.1:1"))
	sees(t, look(t, open(t, srv.Addrs(), "passing=true"), "book"), "the passing ones", has("10.0.0.1:1", "10.0.0.1:3"))
	dir := adsum.NewDirectory(r, adsum.WithLogger(quiet))
	defer dir.Close()
	found, err := dir.Discover(soon(t), "book", "blue", true)
	if err != nil || len(found) != 1 || found[0].Addr != "10.0.0.1:1" {
		t.Errorf("discovered %v, %v", found, err)
	}
}

func TestAClientOfOnesOwnWillDo(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	c := admin(t, srv.Addr(), "")
	r := consul.New(c, consul.Options{Heartbeat: time.Second, Timeout: 2 * time.Second, Logger: quiet})
	t.Cleanup(func() { _ = r.Close() })
	keep(t, r, book(1))
	sees(t, look(t, r, "book"), "it", has("10.0.0.1:1"))
}

func TestNamesThatDifferInCaseAreNotMixed(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	r := open(t, srv.Addrs())
	keep(t, r, book(1))
	shouted := book(2)
	shouted.Service = "BOOK"
	keep(t, r, shouted)
	sees(t, look(t, r, "book"), "its own", has("10.0.0.1:1"))
	sees(t, look(t, r, "BOOK"), "its own", has("10.0.0.1:2"))
}

func TestEnterpriseOptionsReachTheServer(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	err := open(t, srv.Addrs(), "namespace=team").Watch(soon(t), "book", func(adsum.Listing) { t.Error("emitted") })
	if err == nil || !strings.Contains(err.Error(), "Enterprise") {
		t.Errorf("namespace: %v", err)
	}
	err = open(t, srv.Addrs(), "datacenter=elsewhere").Watch(soon(t), "book", func(adsum.Listing) { t.Error("emitted") })
	if err == nil || !strings.Contains(err.Error(), "datacenter") {
		t.Errorf("data centre: %v", err)
	}
}

func TestHostileContentNeitherHidesNorPrints(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	c := admin(t, srv.Addr(), "")
	keep(t, open(t, srv.Addrs()), book(1))
	put := func(id string, change func(*api.AgentService)) {
		t.Helper()
		s := &api.AgentService{ID: id, Service: "book", Address: "10.9.9.9", Port: 9}
		change(s)
		entry := &api.CatalogRegistration{Node: "elsewhere", Address: "10.9.9.9", Service: s}
		if _, err := c.Catalog().Register(entry, (&api.WriteOptions{}).WithContext(soon(t))); err != nil {
			t.Fatal(err)
		}
	}
	put("escape\x1b[2J", func(s *api.AgentService) {
		s.Tags = []string{"\x1b[31m", ""}
		s.Meta = map[string]string{"k": "\x07bell"}
	})
	put("term", func(s *api.AgentService) { s.Meta = map[string]string{"adsum-term": "a/1/l/1", "adsum-more-0": "{{{"} })
	put("status", func(s *api.AgentService) {
		s.Meta = map[string]string{"adsum-term": "a/1/l/1", "adsum-status": "marvellous"}
	})
	put("port", func(s *api.AgentService) { s.Port = 0 })
	if _, err := c.KV().Put(&api.KVPair{Key: "adsum/v1/book/10.0.0.1:1/override", Value: []byte("{\x1b")}, (&api.WriteOptions{}).WithContext(soon(t))); err != nil {
		t.Fatal(err)
	}
	view := look(t, open(t, srv.Addrs()), "book")
	sees(t, view, "the good ones", has("10.0.0.1:1", "10.9.9.9:9"))
	s := view.Snapshot()
	if len(s.Skipped) != 4 {
		t.Errorf("skipped %v", s.Skipped)
	}
	text := ""
	for _, in := range s.Instances {
		text += in.String() + strings.Join(in.Tags, "") + in.Metadata["k"]
	}
	for _, skipped := range s.Skipped {
		text += skipped.Key + skipped.Err.Error()
	}
	if strings.ContainsAny(text, "\x1b\x07\x00") {
		t.Errorf("control characters in %q", text)
	}
}

// fill writes a service that is in the catalog alone, n instances on one node.
func fill(t testing.TB, c *api.Client, n int) {
	t.Helper()
	node := &api.CatalogRegistration{Node: "many", Address: "10.0.0.1"}
	if _, err := c.Catalog().Register(node, (&api.WriteOptions{}).WithContext(soon(t))); err != nil {
		t.Fatal(err)
	}
	const batch = 50 // a transaction takes 64 operations
	for start := 0; start < n; start += batch {
		var ops api.TxnOps
		for i := start; i < start+batch; i++ {
			ops = append(ops, &api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: "many", Service: many(i, "1.2.3")}})
		}
		if ok, answer, _, err := c.Txn().Txn(ops, (&api.QueryOptions{}).WithContext(soon(t))); err != nil || !ok {
			t.Fatalf("%v, %+v", err, answer)
		}
	}
}

// many is one of them.
func many(i int, version string) api.AgentService {
	return api.AgentService{ID: fmt.Sprint(i), Service: "book", Port: 1 + i, Tags: []string{"version=" + version}}
}

func TestThousandsOfInstancesAreReadInOneAnswer(t *testing.T) {
	t.Parallel()
	srv := servers.StartConsul(t, servers.ConsulOptions{Dev: true})
	const n = 3000
	fill(t, admin(t, srv.Addr(), ""), n)
	view := look(t, open(t, srv.Addrs(), "timeout=15s"), "book") // it is about size, on a machine that may be busy
	started := time.Now()
	sees(t, view, "all", func(s *adsum.Snapshot) bool { return len(s.Instances) == n })
	t.Logf("the first snapshot of %d came after %v", n, time.Since(started))
}

func BenchmarkFollowing(b *testing.B) {
	srv := servers.StartConsul(b, servers.ConsulOptions{Dev: true})
	c := admin(b, srv.Addr(), "")
	fill(b, c, following.Instances)
	proxy := adsumtest.NewProxy(b, srv.Addr())
	following.Bench(b, proxy, open(b, []string{proxy.Addr()}, "heartbeat=5s"), func(i int, version string) error {
		service := many(i, version)
		_, err := c.Catalog().Register(&api.CatalogRegistration{Node: "many", Address: "10.0.0.1", Service: &service},
			(&api.WriteOptions{}).WithContext(soon(b)))
		return err
	})
}

// page is a health page that a test can make fail.
func page(healthy func() bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if !healthy() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}
}
