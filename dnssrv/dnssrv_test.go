package dnssrv_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/dnssrv"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

var quiet = adsum.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))

func open(t testing.TB, rawURL string) adsum.Registry {
	t.Helper()
	registry, err := dnssrv.Open(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { registry.Close() })
	return registry
}

// ask returns the first listing: "addr weight" each, sorted.
func ask(t testing.TB, registry adsum.Registry, service string) (found, skipped []string, err error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = registry.Watch(ctx, service, func(l adsum.Listing) {
		for _, in := range l.Instances {
			found = append(found, fmt.Sprintf("%s %d", in.Addr, in.Weight))
		}
		for _, s := range l.Skipped {
			skipped = append(skipped, s.Key+": "+s.Err.Error())
		}
		cancel()
	})
	slices.Sort(found)
	return found, skipped, err
}

func TestSRVRecordsTellAddressesPortsAndWeights(t *testing.T) {
	z := newZone()
	s := startServer(t, z)
	z.set(t, "book.service.consul.", dns.TypeSRV,
		"book.service.consul. 0 IN SRV 1 10 8080 a.node.consul.",
		"book.service.consul. 0 IN SRV 1 0 8081 A.node.consul.",
		"book.service.consul. 0 IN SRV 1 20 8080 b.node.consul.",
		"book.service.consul. 0 IN SRV 2 90 8080 spare.node.consul.",
		"book.service.consul. 0 IN SRV 1 5 8080 nowhere.node.consul.",
		"book.service.consul. 0 IN SRV 1 5 0 a.node.consul.")
	z.set(t, "a.node.consul.", dns.TypeA, "a.node.consul. 0 IN A 10.0.0.1")
	z.set(t, "b.node.consul.", dns.TypeAAAA, "b.node.consul. 0 IN AAAA 2001:db8::2")
	z.set(t, "spare.node.consul.", dns.TypeA, "spare.node.consul. 0 IN A 10.0.0.9")
	found, skipped, err := ask(t, open(t, "dns://"+s.addr+"/service.consul"), "book")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"10.0.0.1:8080 10", "10.0.0.1:8081 1", "[2001:db8::2]:8080 20"}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	if len(skipped) != 2 || !strings.Contains(strings.Join(skipped, " "), "no address") || !strings.Contains(strings.Join(skipped, " "), "1 to 65535") {
		t.Errorf("skipped %q", skipped)
	}
}

func TestAnSRVNameMayHaveItsOwnForm(t *testing.T) {
	z := newZone()
	s := startServer(t, z)
	z.set(t, "_grpc._tcp.book.prod.svc.cluster.local.", dns.TypeSRV, "_grpc._tcp.book.prod.svc.cluster.local. 5 IN SRV 0 33 50051 book-0.book.prod.svc.cluster.local.")
	z.set(t, "book-0.book.prod.svc.cluster.local.", dns.TypeA, "book-0.book.prod.svc.cluster.local. 5 IN A 10.1.0.4")
	found, _, err := ask(t, open(t, "dns://"+s.addr+"?name=_grpc._tcp.{service}.prod.svc.cluster.local"), "book")
	if err != nil || !slices.Equal(found, []string{"10.1.0.4:50051 33"}) {
		t.Errorf("found %q, %v", found, err)
	}
}

func TestAddressRecordsAreCalledAtTheGivenPort(t *testing.T) {
	z := newZone()
	s := startServer(t, z)
	name := "book.prod.svc.cluster.local."
	z.set(t, name, dns.TypeA, name+" 5 IN A 10.1.0.4", name+" 5 IN A 10.1.0.5")
	z.set(t, name, dns.TypeAAAA, name+" 5 IN AAAA fd00::4")
	found, _, err := ask(t, open(t, "dns://"+s.addr+"/prod.svc.cluster.local?port=8080"), "book")
	if err != nil || !slices.Equal(found, []string{"10.1.0.4:8080 1", "10.1.0.5:8080 1", "[fd00::4]:8080 1"}) {
		t.Errorf("found %q, %v", found, err)
	}
}

func TestAnAnswerTooLongForUDPComesOverTCP(t *testing.T) {
	z := newZone()
	s := startServer(t, z)
	var lines []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("book.zone. 60 IN A 10.2.%d.%d", i/200, i%200))
	}
	z.set(t, "book.zone.", dns.TypeA, lines...)
	found, _, err := ask(t, open(t, "dns://"+s.addr+"/zone?port=80"), "book")
	if err != nil || len(found) != 300 || s.count("tcp") == 0 {
		t.Errorf("%d found, %d questions over TCP, %v", len(found), s.count("tcp"), err)
	}
}

func TestTheNextServerIsAskedWhenOneDoesNotAnswer(t *testing.T) {
	z := newZone()
	z.set(t, "book.zone.", dns.TypeA, "book.zone. 60 IN A 10.0.0.1")
	bad, good := startServer(t, z), startServer(t, z)
	registry := open(t, "dns://"+bad.addr+","+good.addr+"/zone?port=80&timeout=1s")
	for name, fault := range map[string]func(){
		"silent":  func() { bad.silence(true) },
		"failing": func() { bad.silence(false); bad.answer(dns.RcodeServerFailure) },
		"refused": func() { bad.silence(false); bad.answer(dns.RcodeRefused) },
	} {
		fault()
		if found, _, err := ask(t, registry, "book"); err != nil || len(found) != 1 {
			t.Errorf("%s: %q, %v", name, found, err)
		}
	}
}

func TestFailingIsNotEmpty(t *testing.T) {
	s := startServer(t, newZone())
	registry := open(t, "dns://"+s.addr+"/zone?timeout=1s")
	if found, _, err := ask(t, registry, "nobody"); err != nil || len(found) != 0 {
		t.Errorf("a name that does not exist: %q, %v", found, err)
	}
	s.answer(dns.RcodeServerFailure)
	if _, _, err := ask(t, registry, "nobody"); err == nil || !strings.Contains(err.Error(), "SERVFAIL") || adsum.Final(err) {
		t.Errorf("a server that fails: %v", err)
	}
	s.answer(dns.RcodeRefused)
	if _, _, err := ask(t, registry, "nobody"); !errors.Is(err, adsum.ErrDenied) {
		t.Errorf("a server that refuses: %v", err)
	}
	s.silence(true)
	if _, _, err := ask(t, registry, "nobody"); err == nil || adsum.Final(err) {
		t.Errorf("a server that is silent: %v", err)
	}
}

func TestItAsksAgainWhenTheTimeToLiveIsOver(t *testing.T) {
	z := newZone()
	s := startServer(t, z)
	z.set(t, "book.zone.", dns.TypeA, "book.zone. 0 IN A 10.0.0.1")
	z.set(t, "shelf.zone.", dns.TypeA, "shelf.zone. 3600 IN A 10.0.0.1")
	dir := adsum.NewDirectory(open(t, "dns://"+s.addr+"/zone?port=80&min=20ms&max=1h"), quiet)
	defer dir.Close()
	view, err := dir.Open("book")
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	step := 0
	for change := range view.Changes(ctx) {
		step++
		if step == 1 {
			z.set(t, "book.zone.", dns.TypeA, "book.zone. 0 IN A 10.0.0.2")
			continue
		}
		if len(change.Added) != 1 || change.Added[0].Addr != "10.0.0.2:80" || len(change.Removed) != 1 {
			t.Errorf("%+v", change)
		}
		break
	}
	if step != 2 {
		t.Fatalf("%d changes seen", step)
	}
	if _, err := dir.Snapshot(ctx, "shelf"); err != nil {
		t.Fatal(err)
	}
	before := s.count("udp")
	// A hundred answers later for the one, the other is not asked again.
	for s.count("udp") < before+100 && ctx.Err() == nil {
		<-time.After(time.Millisecond)
	}
	if found, err := dir.Discover(ctx, "shelf", "", true); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

func TestOpenRefusesWhatItCannotMean(t *testing.T) {
	for raw, says := range map[string]string{
		"dns://h":                                "{service}",
		"dns://h?name=book.zone":                 "{service}",
		"dns://h/zone?name={service}.x":          "zone as well",
		"dns://h/zone?port=0":                    "1 to 65535",
		"dns://h/zone?port=http":                 "1 to 65535",
		"dns://h/zone?port=70000":                "1 to 65535",
		"dns://h/zone?min=2s&max=1s":             "shorter than min",
		"dns://h/zone?timeout=-1s":               "no duration",
		"dns://h/zone?colour=red":                "colour",
		"dns://user:hunter2@h/zone":              "no users",
		"dns://h/zone" + strings.Repeat("x", 64): "no domain name",
	} {
		_, err := dnssrv.Open(raw)
		if !errors.Is(err, adsum.ErrInvalid) || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", raw, err)
		}
	}
	registry := open(t, "dns://10.0.0.2,10.0.0.3:8600/service.consul")
	if c := registry.Capabilities(); c.Registry != "dns://10.0.0.2,10.0.0.3:8600/{service}.service.consul" || c.Register {
		t.Errorf("%+v", c)
	}
	if _, err := adsum.Register(registry, adsum.Instance{Service: "book", Addr: "h:1"}); !errors.Is(err, adsum.ErrUnsupported) {
		t.Errorf("register: %v", err)
	}
}
