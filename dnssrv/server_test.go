package dnssrv_test

import (
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// zone is what name servers answer from.
type zone struct {
	mu      sync.Mutex
	records map[string][]dns.RR // by name and type, in lower case
	stray   map[string][]dns.RR // beside records
	down    bool                // every server fails
	frozen  bool                // every server is silent
}

func newZone() *zone { return &zone{records: map[string][]dns.RR{}, stray: map[string][]dns.RR{}} }

// set replaces all records of a name and type by those in zone file format.
func (z *zone) set(t testing.TB, name string, kind uint16, lines ...string) {
	t.Helper()
	var records []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rr)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	z.records[dns.CanonicalName(name)+dns.TypeToString[kind]] = records
}

// outage is what befalls all servers of the zone.
func (z *zone) outage(change func()) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	change()
	return nil
}

func (z *zone) find(q dns.Question) []dns.RR {
	z.mu.Lock()
	defer z.mu.Unlock()
	key := dns.CanonicalName(q.Name) + dns.TypeToString[q.Qtype]
	return slices.Concat(z.records[key], z.stray[key])
}

// server is a real name server on loopback, UDP and TCP on one port.
type server struct {
	zone     *zone
	addr     string
	udp, tcp *dns.Server

	mu     sync.Mutex
	rcode  int  // answer nothing but this
	silent bool // answer nothing at all
	asked  map[string]int
}

func startServer(t testing.TB, z *zone) *server {
	t.Helper()
	s := &server{zone: z, asked: map[string]int{}}
	packets, listener := listen(t)
	s.addr = packets.LocalAddr().String()
	s.udp = &dns.Server{PacketConn: packets, Handler: s}
	s.tcp = &dns.Server{Listener: listener, Handler: s}
	var running sync.WaitGroup
	for _, d := range []*dns.Server{s.udp, s.tcp} {
		started := make(chan struct{})
		d.NotifyStartedFunc = func() { close(started) }
		running.Go(func() {
			if err := d.ActivateAndServe(); err != nil {
				t.Errorf("name server: %v", err)
			}
		})
		<-started
	}
	t.Cleanup(func() {
		for _, d := range []*dns.Server{s.udp, s.tcp} {
			if err := d.Shutdown(); err != nil {
				t.Errorf("name server: %v", err)
			}
		}
		running.Wait()
	})
	return s
}

// listen finds a port that is free for UDP and TCP.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	var err error
	for range 20 {
		var packets net.PacketConn
		if packets, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			continue
		}
		var listener net.Listener
		if listener, err = net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			return packets, listener
		}
		packets.Close()
	}
	t.Fatal(err)
	return nil, nil
}

func (s *server) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	s.mu.Lock()
	rcode, silent := s.rcode, s.silent
	s.asked[w.LocalAddr().Network()]++
	s.mu.Unlock()
	s.zone.mu.Lock()
	silent = silent || s.zone.frozen
	if s.zone.down {
		rcode = dns.RcodeServerFailure
	}
	s.zone.mu.Unlock()
	if silent {
		return
	}
	reply := new(dns.Msg).SetReply(question)
	reply.Rcode = rcode
	if rcode == dns.RcodeSuccess {
		q := question.Question[0]
		reply.Answer = s.zone.find(q)
		if len(reply.Answer) == 0 {
			reply.Rcode = dns.RcodeNameError
		}
		if size := question.IsEdns0(); size != nil && w.LocalAddr().Network() == "udp" {
			reply.Truncate(int(size.UDPSize()))
		}
	}
	// The other end may be gone by now.
	_ = w.WriteMsg(reply)
}

func (s *server) answer(rcode int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcode = rcode
}

func (s *server) silence(silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = silent
}

func (s *server) count(network string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[network]
}
