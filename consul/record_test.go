package consul

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// listed is a record as the catalog would list it.
func listed(t testing.TB, node string, in adsum.Instance, tm term, checks ...*api.HealthCheck) *api.ServiceEntry {
	t.Helper()
	s, err := registration(in.WithDefaults(), tm)
	if err != nil {
		t.Fatal(err)
	}
	return &api.ServiceEntry{
		Node: &api.Node{Node: node, Address: "10.9.9.9"},
		Service: &api.AgentService{ID: s.ID, Service: s.Name, Tags: s.Tags, Meta: s.Meta, Port: s.Port, Address: s.Address,
			Weights: *s.Weights, TaggedAddresses: s.TaggedAddresses, CreateIndex: tm.serial, ModifyIndex: tm.serial},
		Checks: checks,
	}
}

// ours is the term of an owner.
func ours(owner string, incarnation uint64) term {
	return term{claim: adsum.Claim{Owner: owner, Incarnation: incarnation}, lease: "lease-of-" + owner, serial: 1}
}

func TestEverythingAnInstanceSaysComesBack(t *testing.T) {
	many := map[string]string{}
	for i := range 300 {
		many[fmt.Sprintf("key-%03d", i)] = "v"
	}
	for name, in := range map[string]adsum.Instance{
		"plain":     {Addr: "10.0.0.1:80"},
		"ipv6":      {ID: "[2001:db8::1]:80", Addr: "[2001:db8::1]:80"},
		"named":     {Addr: "book-1.internal:8080"},
		"endpoints": {Addr: "10.0.0.1:80", Endpoints: map[string]string{"grpc": "10.0.0.1:90", "https": "10.0.0.1:80"}},
		"fields":    {Addr: "10.0.0.1:80", Weight: 65535, Zone: "eu-1", Version: "v1.2", Tags: []string{"b", "a=b,c", "b"}},
		"metadata": {Addr: "10.0.0.1:80", Metadata: map[string]string{
			"zone": "mine", "version": "mine", "secure": "no", "weight": "9", "adsum-x": "y", "consul-x": "y",
			"management.port": "9000", "título": "21天精通php", "empty": "", "long": strings.Repeat("天", 1000), "quoted": "\"\\<&>"}},
		"many":    {Addr: "10.0.0.1:80", Metadata: many},
		"reason":  {Addr: "10.0.0.1:80", Status: adsum.Critical, Reason: strings.Repeat("out of disk ", 100)},
		"drained": {Addr: "10.0.0.1:80", Status: adsum.Draining, Reason: "stopping"},
	} {
		in.Service = "book"
		in = in.WithDefaults()
		e, err := readEntry("book", listed(t, "n1", in, ours("a", 7)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !e.in.Equal(&in) {
			t.Errorf("%s: came back as %+v, want %+v", name, e.in, in)
		}
		if !e.ours || e.term.claim != (adsum.Claim{Owner: "a", Incarnation: 7}) {
			t.Errorf("%s: the claim came back as %+v", name, e.term)
		}
	}
}

func TestWhatConsulTakesLiesThereAsItIs(t *testing.T) {
	in := adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Zone: "eu-1", Version: "v1", Weight: 7, Tags: []string{"canary"},
		Endpoints: map[string]string{"https": "10.0.0.1:80"}, Metadata: map[string]string{"team": "red", "a.dotted": "key"}}
	s := listed(t, "n1", in, ours("a", 7)).Service
	want := map[string]string{"zone": "eu-1", "version": "v1", "secure": "true", "team": "red",
		"adsum-term": "a/7/lease-of-a/1", "adsum-more-0": `{"metadata":{"a.dotted":"key"}}`}
	if got := fmt.Sprint(s.Meta); got != fmt.Sprint(want) {
		t.Errorf("metadata %v, want %v", got, want)
	}
	if s.ID != "book:10.0.0.1:80" || s.Port != 80 || s.Address != "10.0.0.1" || s.Weights.Passing != 7 || s.Tags[0] != "canary" {
		t.Errorf("got %+v", s)
	}
	if a := s.TaggedAddresses["https"]; a.Address != "https://10.0.0.1:80" || a.Port != 80 {
		t.Errorf("tagged address %+v", a)
	}
}

func TestMetadataStaysWithinConsulsBounds(t *testing.T) {
	for n := range 70 {
		in := adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Zone: "z", Status: adsum.Critical, Reason: "r", Metadata: map[string]string{}}
		for i := range n {
			in.Metadata[fmt.Sprintf("key-%02d", i)] = strings.Repeat("天", i*4)
		}
		meta, err := metadata(in, ours("a", 7))
		if err != nil {
			t.Fatalf("%d pairs: %v", n, err)
		}
		if len(meta) > maxMetaPairs {
			t.Errorf("%d pairs become %d", n, len(meta))
		}
		for k, v := range meta {
			if len(v) > maxMetaValue || !metaKeyGrammar.MatchString(k) {
				t.Errorf("%q has %d bytes", k, len(v))
			}
		}
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	r := New(nil, Options{})
	for name, in := range map[string]adsum.Instance{
		"zone":     {Zone: strings.Repeat("z", 513)},
		"version":  {Version: strings.Repeat("v", 513)},
		"metadata": {Metadata: map[string]string{"large": strings.Repeat("x", 40_000)}},
	} {
		in.Service, in.Addr = "book", "10.0.0.1:80"
		var invalid *adsum.InvalidError
		if err := r.Validate(in); !errors.As(err, &invalid) || invalid.Field != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestForeignRecordsAreReadByTheirConventions(t *testing.T) {
	for name, test := range map[string]struct {
		service api.AgentService
		want    adsum.Instance
	}{
		"go-kit": {
			api.AgentService{ID: "users-1", Address: "127.0.0.1", Port: 7001, Tags: []string{"v1"}, Meta: map[string]string{"weight": "10", "zone": "eu-1"}},
			adsum.Instance{ID: "users-1", Addr: "127.0.0.1:7001", Tags: []string{"v1"}, Weight: 10, Zone: "eu-1", Metadata: map[string]string{"weight": "10", "zone": "eu-1"}},
		},
		"Kratos": {
			api.AgentService{ID: "users-2", Address: "127.0.0.1", Port: 7002, Tags: []string{"version=1.2.3"},
				TaggedAddresses: map[string]api.ServiceAddress{"grpc": {Address: "grpc://127.0.0.1:7002", Port: 7002}, "lan_ipv4": {Address: "127.0.0.1", Port: 7002}}},
			adsum.Instance{ID: "users-2", Addr: "127.0.0.1:7002", Tags: []string{"version=1.2.3"}, Version: "1.2.3", Endpoints: map[string]string{"grpc": "127.0.0.1:7002"}},
		},
		"Spring Cloud": {
			api.AgentService{ID: "users-7003", Address: "users.internal", Port: 7003, Meta: map[string]string{"secure": "true", "zone": "eu-3"}},
			adsum.Instance{ID: "users-7003", Addr: "users.internal:7003", Zone: "eu-3", Endpoints: map[string]string{"https": "users.internal:7003"}, Metadata: map[string]string{"secure": "true", "zone": "eu-3"}},
		},
		"no id, no address": {
			api.AgentService{ID: "users", Port: 7004},
			adsum.Instance{ID: "users@n1", Addr: "10.9.9.9:7004"},
		},
		"odd id": {
			api.AgentService{ID: "a b/ü", Address: "h", Port: 1, Weights: api.AgentWeights{Passing: 3, Warning: 1}},
			adsum.Instance{ID: "a%20b%2F%C3%BC", Addr: "h:1", Weight: 3},
		},
		"bare tagged address": {
			api.AgentService{ID: "x", Address: "h", Port: 1, TaggedAddresses: map[string]api.ServiceAddress{"http": {Address: "h2", Port: 80}}},
			adsum.Instance{ID: "x", Addr: "h:1", Endpoints: map[string]string{"http": "h2:80"}},
		},
	} {
		test.service.Service, test.want.Service = "users", "users"
		e, err := readEntry("users", &api.ServiceEntry{Node: &api.Node{Node: "n1", Address: "10.9.9.9"}, Service: &test.service})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := test.want.WithDefaults()
		if !e.in.Equal(&want) {
			t.Errorf("%s: read as %+v, want %+v", name, e.in, want)
		}
	}
}

func TestChecksCombineToTheWorst(t *testing.T) {
	const id = "book:i1"
	beat := &api.HealthCheck{CheckID: checkID(id), Type: "ttl", Status: "passing"}
	ranOut := &api.HealthCheck{CheckID: checkID(id), Type: "ttl", Status: "critical", Output: "TTL expired"}
	restarted := &api.HealthCheck{CheckID: checkID(id), Type: "ttl", Status: "critical"}
	page := func(status, output string) *api.HealthCheck {
		return &api.HealthCheck{CheckID: checkID(id), Type: "http", Name: "page", Status: status, Output: output}
	}
	for name, test := range map[string]struct {
		own     adsum.Status
		checks  api.HealthChecks
		status  adsum.Status
		reason  string
		expired bool
		drained bool
	}{
		"beating":             {adsum.Passing, api.HealthChecks{beat}, adsum.Passing, "", false, false},
		"ran out":             {adsum.Passing, api.HealthChecks{ranOut}, adsum.Passing, "", true, false},
		"agent restarted":     {adsum.Passing, api.HealthChecks{restarted}, adsum.Passing, "", false, false},
		"word is no news":     {adsum.Starting, api.HealthChecks{beat, {CheckID: wordID("critical", id), Status: "critical", Type: "ttl"}}, adsum.Starting, "", false, false},
		"page not yet asked":  {adsum.Passing, api.HealthChecks{page("critical", "")}, adsum.Critical, "page:", false, false},
		"page fails":          {adsum.Passing, api.HealthChecks{page("critical", "500\n\x1b[31mbody")}, adsum.Critical, "page: 500 \ufffd[31mbody", false, false},
		"page warns":          {adsum.Passing, api.HealthChecks{page("warning", "429")}, adsum.Warning, "page: 429", false, false},
		"own word is worse":   {adsum.Draining, api.HealthChecks{page("warning", "429")}, adsum.Draining, "", false, false},
		"agent dead":          {adsum.Passing, api.HealthChecks{beat, {CheckID: "serfHealth", Name: "Serf Health Status", Status: "critical", Output: "Agent not live or unreachable"}}, adsum.Critical, "Serf Health Status: Agent not live or unreachable", false, false},
		"service maintenance": {adsum.Passing, api.HealthChecks{beat, {CheckID: "_service_maintenance:" + id, Status: "critical", Notes: "upgrade"}}, adsum.Passing, "", false, true},
		"node maintenance":    {adsum.Warning, api.HealthChecks{beat, {CheckID: "_node_maintenance", Status: "critical", Notes: "upgrade"}}, adsum.Warning, "", false, true},
	} {
		in := adsum.Instance{Service: "book", ID: "i1", Addr: "10.0.0.1:80", Status: test.own}
		e, err := readEntry("book", listed(t, "n1", in, ours("a", 7), test.checks...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		drained := e.maintenance != nil && e.maintenance.Status == adsum.Draining && e.maintenance.Reason == "upgrade"
		if e.in.Status != test.status || e.in.Reason != test.reason || e.expired != test.expired || drained != test.drained {
			t.Errorf("%s: %s because of %q, expired %t, drained %t", name, e.in.Status, e.in.Reason, e.expired, drained)
		}
	}
}

func TestTermsAreReadBackWhateverTheOwner(t *testing.T) {
	for _, owner := range []string{"a", "a/b/c", "", "天"} {
		want := term{claim: adsum.Claim{Owner: owner, Incarnation: 12}, lease: "l", serial: 3}
		if got, ok := parseTerm(want.String()); !ok || got != want {
			t.Errorf("%q: %+v, %t", owner, got, ok)
		}
	}
	for _, text := range []string{"", "a", "a/1/l", "a/x/l/1", "a/1/l/-1", "a/1//1"} {
		if got, ok := parseTerm(text); ok {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func FuzzEntry(f *testing.F) {
	in := adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Metadata: map[string]string{"a.b": "c"}, Status: adsum.Critical}
	seed, err := json.Marshal(listed(f, "n1", in, ours("a", 7), &api.HealthCheck{CheckID: "x", Status: "warning", Output: "o"}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`{"Node":{},"Service":{"ID":"x","Port":-1,"Meta":{"adsum-term":"a/1/l/1","adsum-more-0":"{"}},"Checks":[null]}`))
	f.Add([]byte(`{"Node":{"Address":"::1"},"Service":{"ID":"\u001b","Port":1,"Tags":["","\u0000"],"TaggedAddresses":{"X":{"Address":"http://%"}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s *api.ServiceEntry
		if json.Unmarshal(data, &s) != nil {
			return
		}
		v := newView("book")
		v.load([]*api.ServiceEntry{s, s}, 1)
		for _, in := range v.listing().Instances {
			if err := in.Validate(); err != nil {
				t.Errorf("listed although invalid: %v", err)
			}
		}
		for _, skipped := range v.skipped {
			if strings.ContainsAny(skipped.Key+skipped.Err.Error(), "\x00\x1b\n") {
				t.Errorf("not safe to print: %q %q", skipped.Key, skipped.Err)
			}
		}
	})
}

func FuzzOverride(f *testing.F) {
	f.Add([]byte(`{"status":"draining","weight":3,"reason":"x"}`))
	f.Add([]byte(`{"status":"passing"}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := parseOverride(data)
		if err == nil && o.Validate() != nil || err != nil && o != (adsum.Override{}) {
			t.Errorf("%+v, %v", o, err)
		}
	})
}

func BenchmarkOneChangeOf(b *testing.B) {
	for _, n := range []int{10, 1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			answer := make([]*api.ServiceEntry, n)
			for i := range answer {
				in := adsum.Instance{Service: "book", Addr: fmt.Sprintf("10.0.%d.%d:80", i/200, i%200), Zone: "z"}
				answer[i] = listed(b, "n1", in, ours("a", 7))
			}
			v := newView("book")
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				answer[i%n].Service.Weights.Passing = 1 + i%100
				v.load(answer, uint64(i))
				v.listing()
			}
		})
	}
}

func TestHeartbeatTellsWhenTheAgentMayRemoveTheRecord(t *testing.T) {
	r := New(nil, Options{DeregisterAfter: 5 * time.Minute})
	s, err := r.registration(adsum.Instance{Service: "book", ID: "i1", Addr: "10.0.0.1:80", Status: adsum.Starting}, ours("a", 1), 15*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	beat, word := s.Checks[0], s.Checks[1]
	if beat.CheckID != "service:book:i1" || beat.TTL != "15s" || beat.Status != "passing" || beat.DeregisterCriticalServiceAfter != "5m0s" {
		t.Errorf("heartbeat %+v", beat)
	}
	if word.CheckID != "adsum:critical:book:i1" || word.Status != "critical" || word.DeregisterCriticalServiceAfter != "" {
		t.Errorf("word %+v", word)
	}
}
