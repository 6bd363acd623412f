package consul

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// shows compares what a view lists, each as "id addr status".
func shows(t *testing.T, v *view, want ...string) adsum.Listing {
	t.Helper()
	listing := v.listing()
	var got []string
	for _, in := range listing.Instances {
		got = append(got, fmt.Sprintf("%s %s %s", in.ID, in.Addr, in.Status))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	return listing
}

func instance(addr string) adsum.Instance {
	return adsum.Instance{Service: "book", ID: "i1", Addr: addr}
}

var deadAgent = &api.HealthCheck{CheckID: agentAlive, Status: "critical"}

func ranOut(id string) *api.HealthCheck {
	return &api.HealthCheck{CheckID: checkID(id), Type: "ttl", Status: "critical", Output: "TTL expired"}
}

func foreign(node, id string, port int) *api.ServiceEntry {
	return &api.ServiceEntry{Node: &api.Node{Node: node, Address: "10.0.0.1"}, Service: &api.AgentService{ID: id, Service: "book", Port: port}}
}

func TestOfRecordsAtTwoAgentsTheKeptAndThenTheYoungerCounts(t *testing.T) {
	for name, test := range map[string]struct {
		answer []*api.ServiceEntry
		want   string
	}{
		"younger": {[]*api.ServiceEntry{listed(t, "n1", instance("10.0.0.1:80"), ours("a", 5)), listed(t, "n2", instance("10.0.0.2:80"), ours("b", 9))}, "i1 10.0.0.2:80 passing"},
		"older agent dead": {[]*api.ServiceEntry{listed(t, "n1", instance("10.0.0.1:80"), ours("a", 5)), listed(t, "n2", instance("10.0.0.2:80"), ours("b", 9), deadAgent)},
			"i1 10.0.0.1:80 passing"},
		"younger ran out": {[]*api.ServiceEntry{listed(t, "n1", instance("10.0.0.1:80"), ours("a", 5)), listed(t, "n2", instance("10.0.0.2:80"), ours("b", 9), ranOut("book:i1"))},
			"i1 10.0.0.1:80 passing"},
		"younger is from before a wipe": {[]*api.ServiceEntry{listed(t, "n1", instance("10.0.0.1:80"), ours("a", 5)), listed(t, "n2", instance("10.0.0.2:80"), ours("b", 9000))},
			"i1 10.0.0.1:80 passing"},
		"only a dead agent's": {[]*api.ServiceEntry{listed(t, "n1", instance("10.0.0.1:80"), ours("a", 5), deadAgent)}, "i1 10.0.0.1:80 critical"},
	} {
		for range 2 {
			slices.Reverse(test.answer)
			v := newView("book")
			v.load(test.answer, 100)
			t.Run(name, func(t *testing.T) { shows(t, v, test.want) })
		}
	}
}

func TestForeignRecordsOfOneIDStayApart(t *testing.T) {
	v := newView("book")
	v.load([]*api.ServiceEntry{foreign("n1", "web", 1), foreign("n2", "web", 2), foreign("n1", "other", 3), foreign("n2", "book", 4)}, 1)
	want := []string{"book@n2 10.0.0.1:4 passing", "other 10.0.0.1:3 passing", "web@n1 10.0.0.1:1 passing", "web@n2 10.0.0.1:2 passing"}
	shows(t, v, want...)
	shows(t, v, want...) // and once more for a proof of life
}

func TestBrokenNeighboursAndOtherNamesHideNobody(t *testing.T) {
	other := foreign("n1", "x", 9)
	other.Service.Service = "BOOK"
	v := newView("book")
	v.load([]*api.ServiceEntry{foreign("n1", "b\x1bad", 0), nil, {}, other, foreign("n1", "good", 1)}, 1)
	listing := shows(t, v, "good 10.0.0.1:1 passing")
	var keys []string
	for _, s := range listing.Skipped {
		keys = append(keys, s.Key)
	}
	if want := []string{"?", "?", `n1/b\x1bad`}; !slices.Equal(keys, want) {
		t.Errorf("skipped %q, want %q", keys, want)
	}
}

func TestARecordThatRanOutIsBelievedToAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newView("book")
		answer := []*api.ServiceEntry{listed(t, "n1", instance("10.0.0.1:80"), ours("a", 5), ranOut("book:i1"))}
		v.load(answer, 1)
		shows(t, v, "i1 10.0.0.1:80 warning")
		time.Sleep(expiryGrace - time.Second)
		v.load(answer, 2)
		shows(t, v, "i1 10.0.0.1:80 warning")
		if v.due() != time.Second {
			t.Errorf("due in %v", v.due())
		}
		time.Sleep(v.due())
		shows(t, v)
		if v.due() != 0 {
			t.Errorf("due again in %v", v.due())
		}
		answer[0].Checks[0].Status, answer[0].Checks[0].Output = "passing", ""
		v.load(answer, 3)
		shows(t, v, "i1 10.0.0.1:80 passing")
	})
}

func TestSignsOfARestoreShowInTheSequence(t *testing.T) {
	write := func(incarnation uint64, lease string, serial, modified uint64) *api.ServiceEntry {
		s := listed(t, "n1", instance("10.0.0.1:80"), term{claim: adsum.Claim{Owner: "a", Incarnation: incarnation}, lease: lease, serial: serial})
		s.Service.ModifyIndex = modified
		return s
	}
	for name, test := range map[string]struct {
		after *api.ServiceEntry
		back  bool
	}{
		"nothing":                        {write(5, "l", 2, 20), false},
		"an update":                      {write(5, "l", 3, 30), false},
		"a younger owner":                {write(6, "m", 1, 30), false},
		"brought back by the agent":      {write(5, "l", 2, 30), true},
		"an older writing":               {write(5, "l", 1, 10), true},
		"the same owner registers again": {write(5, "m", 1, 30), true},
	} {
		v := newView("book")
		v.load([]*api.ServiceEntry{write(5, "l", 2, 20)}, 20)
		v.listing()
		next := newView("book")
		next.written = v.written
		next.load([]*api.ServiceEntry{test.after}, 30)
		if back := next.listing().Sequence < 20; back != test.back {
			t.Errorf("%s, seen by the next watch: went back: %t", name, back)
		}
		v.load([]*api.ServiceEntry{test.after}, 30)
		if back := v.listing().Sequence < 20; back != test.back {
			t.Errorf("%s: went back: %t", name, back)
		}
		if sequence := v.listing().Sequence; sequence != 30 {
			t.Errorf("%s: then at %d", name, sequence)
		}
	}
}

func TestOverridesWinAndMaintenanceIsOne(t *testing.T) {
	maintained := listed(t, "n1", instance("10.0.0.1:80"), ours("a", 5), &api.HealthCheck{CheckID: serviceMaintenance + "book:i1", Status: "critical", Notes: imposedMark + "why"})
	v := newView("book")
	v.load([]*api.ServiceEntry{maintained}, 1)
	in := shows(t, v, "i1 10.0.0.1:80 draining").Instances[0]
	if in.Reason != "why" || in.Reported != adsum.Passing {
		t.Errorf("got %+v", in)
	}
	v.overrides = map[string]adsum.Override{"i1": {Weight: 9}}
	if in := v.listing().Instances[0]; in.Weight != 9 || in.Status != adsum.Draining || in.Reason != "why" {
		t.Errorf("got %+v", in)
	}
	v.overrides = map[string]adsum.Override{"i1": {Status: adsum.Draining, Reason: "stored"}}
	if in := v.listing().Instances[0]; in.Reason != "stored" {
		t.Errorf("got %+v", in)
	}
}

func TestUnchangedInstancesKeepTheirPointers(t *testing.T) {
	var answer []*api.ServiceEntry
	for i := range 10 {
		answer = append(answer, foreign("n1", fmt.Sprintf("i%d", i), 1000+i))
	}
	v := newView("book")
	v.load(answer, 1)
	before := map[string]*adsum.Instance{}
	for _, in := range v.listing().Instances {
		before[in.ID] = in
	}
	answer[3].Service.Port = 7
	v.load(answer, 2)
	for _, in := range v.listing().Instances {
		if same := in == before[in.ID]; same != (in.ID != "i3") {
			t.Errorf("%s: same pointer: %t", in, same)
		}
	}
}

func TestIndexesOfAnswersBecomeTheNextQuestion(t *testing.T) {
	for _, test := range [][3]uint64{{0, 5, 5}, {5, 9, 9}, {9, 5, 0}, {5, 5, 5}, {0, 0, 1}, {1, 0, 0}} {
		if got := nextIndex(test[0], test[1]); got != test[2] {
			t.Errorf("after %d and an answer at %d: %d, want %d", test[0], test[1], got, test[2])
		}
	}
}

func TestOutputOfChecksBecomesOneShortLine(t *testing.T) {
	if got := brief("HTTP GET http://x: 500\r\n Output:\t<html>\x1b[2J"); got != "HTTP GET http://x: 500 Output: <html>\ufffd[2J" {
		t.Errorf("%q", got)
	}
	if got := brief(strings.Repeat("天", 1000)); len(got) > 300 || !strings.HasSuffix(got, "...") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}
