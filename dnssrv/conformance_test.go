package dnssrv_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/dnssrv"
)

// TestConformance runs on a real name server. DNS has no ids: the clients of
// the suite are told which id belongs to an address.
func TestConformance(t *testing.T) {
	z := newZone()
	var ids sync.Map
	adsumtest.Conformance(t, adsumtest.Harness{
		Registry: "a name server on loopback",
		Connect: func(t testing.TB, _ string) *adsumtest.Client {
			s := startServer(t, z)
			registry, err := dnssrv.Open("dns://" + s.addr + "/zone?min=20ms&max=500ms&timeout=1s")
			if err != nil {
				t.Fatal(err)
			}
			return &adsumtest.Client{
				Registry: named{registry, &ids},
				Cut:      func() { s.answer(dns.RcodeServerFailure) },
				Heal:     func() { s.answer(dns.RcodeSuccess) },
				Freeze:   func() { s.silence(true) },
				Thaw:     func() { s.silence(false) },
				Attempts: func() int { return s.count("udp") },
			}
		},
		Fill: func(_ context.Context, _, service string, instances []adsum.Instance) error {
			var lines []string
			for _, in := range instances {
				in = in.WithDefaults()
				host, port, err := net.SplitHostPort(in.Addr)
				if err != nil {
					return err
				}
				ids.Store(in.Addr, in.ID)
				target := fmt.Sprintf("h%x.zone.", host)
				z.set(t, target, dns.TypeA, fmt.Sprintf("%s 0 IN A %s", target, host))
				lines = append(lines, fmt.Sprintf("%s.zone. 0 IN SRV 0 %d %s %s", service, in.Weight, port, target))
			}
			z.set(t, service+".zone.", dns.TypeSRV, lines...)
			return nil
		},
		Malform: func(_ context.Context, _, service string) error {
			return z.add(service+".zone.", service+".zone. 0 IN SRV 0 1 80 nowhere.zone.")
		},
		Denied: func(t testing.TB, _ string) adsum.Registry {
			s := startServer(t, z)
			s.answer(dns.RcodeRefused)
			registry, err := dnssrv.Open("dns://" + s.addr + "/zone")
			if err != nil {
				t.Fatal(err)
			}
			return registry
		},
		Server: outage{z},
		NotApplicable: map[int]string{
			8: "DNS has no ids, and an address is listed once", 24: "DNS tells no versions", 25: "DNS tells no versions", 27: "DNS tells no versions", 17: "what DNS does not list is gone",
			18: "DNS has no sequence", 19: "DNS keeps no history of changes", 20: "nothing in DNS runs out",
			23: "the fail-over is over UDP, which the suite's proxies do not carry; see TestTheNextServerIsAskedWhenOneDoesNotAnswer",
			30: "DNS has no credentials", 36: "plain DNS has no TLS",
		},
	})
}

// add puts a record beside those of a name that set replaces.
func (z *zone) add(name, line string) error {
	rr, err := dns.NewRR(line)
	if err != nil {
		return err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	key := dns.CanonicalName(name) + "SRV"
	z.stray[key] = append(z.stray[key], rr)
	return nil
}

// named gives instances the ids that the suite knows them by.
type named struct {
	adsum.Registry
	ids *sync.Map
}

func (n named) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	return n.Registry.Watch(ctx, service, func(l adsum.Listing) {
		for i, in := range l.Instances {
			if id, ok := n.ids.Load(in.Addr); ok {
				renamed := *in
				renamed.ID = id.(string)
				l.Instances[i] = &renamed
			}
		}
		emit(l)
	})
}

// outage is what befalls the name servers as a whole.
type outage struct{ zone *zone }

func (o outage) Kill() error   { return o.zone.outage(func() { o.zone.down = true }) }
func (o outage) Start() error  { return o.zone.outage(func() { o.zone.down = false }) }
func (o outage) Freeze() error { return o.zone.outage(func() { o.zone.frozen = true }) }
func (o outage) Thaw() error   { return o.zone.outage(func() { o.zone.frozen = false }) }
func (o outage) Wipe() error   { return o.zone.outage(func() { clear(o.zone.records) }) }
