package dnssrv

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/adsum-go/adsum"
)

// answer is what DNS says of a service, and for how long.
type answer struct {
	instances []*adsum.Instance
	skipped   []adsum.Skipped
	ttl       time.Duration
}

func (r *Registry) resolve(ctx context.Context, service string) (answer, error) {
	name := dns.Fqdn(strings.Replace(r.opts.Name, "{service}", service, 1))
	a := answer{ttl: math.MaxInt64}
	if r.opts.Port != 0 {
		hosts, err := r.hosts(ctx, &a, name, nil)
		if err != nil {
			return a, err
		}
		for _, ip := range hosts {
			a.add(service, name, ip, uint16(r.opts.Port), 0)
		}
		return a, nil
	}
	reply, err := r.ask(ctx, name, dns.TypeSRV)
	if err != nil {
		return a, err
	}
	a.lives(reply)
	for _, srv := range first(records[*dns.SRV](reply)) {
		hosts, err := r.hosts(ctx, &a, srv.Target, reply)
		if err != nil {
			return a, err
		}
		for _, ip := range hosts {
			a.add(service, srv.Target, ip, srv.Port, srv.Weight)
		}
		if len(hosts) == 0 {
			a.skipped = append(a.skipped, adsum.Skipped{Key: strconv.Quote(srv.Target), Err: errors.New("the host has no address")})
		}
	}
	return a, nil
}

// first returns the records of the lowest priority: the others are for when
// none of these can be reached (RFC 2782).
func first(all []*dns.SRV) []*dns.SRV {
	lowest := uint16(math.MaxUint16)
	for _, srv := range all {
		lowest = min(lowest, srv.Priority)
	}
	return slices.DeleteFunc(all, func(srv *dns.SRV) bool { return srv.Priority != lowest })
}

// hosts returns the addresses of a name: from the additional section of the
// reply that named it, or by asking.
func (r *Registry) hosts(ctx context.Context, a *answer, name string, reply *dns.Msg) ([]net.IP, error) {
	if reply != nil {
		if ips := addresses(reply.Extra, name); len(ips) > 0 {
			return ips, nil
		}
	}
	var ips []net.IP
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		reply, err := r.ask(ctx, name, kind)
		if err != nil {
			return nil, err
		}
		if found := addresses(reply.Answer, ""); len(found) > 0 {
			a.lives(reply)
			ips = append(ips, found...)
		} else if kind == dns.TypeAAAA && len(ips) == 0 {
			a.lives(reply)
		}
	}
	return ips, nil
}

// addresses returns those of a name, or with "" those of any: an answer may
// go through aliases.
func addresses(section []dns.RR, name string) []net.IP {
	var ips []net.IP
	for _, rr := range section {
		if name != "" && !strings.EqualFold(rr.Header().Name, name) {
			continue
		}
		switch rr := rr.(type) {
		case *dns.A:
			ips = append(ips, rr.A)
		case *dns.AAAA:
			ips = append(ips, rr.AAAA)
		}
	}
	return ips
}

func records[R dns.RR](reply *dns.Msg) []R {
	var found []R
	for _, rr := range reply.Answer {
		if record, ok := rr.(R); ok {
			found = append(found, record)
		}
	}
	return found
}

// lives shortens the time that the answer holds to that of the reply: its
// shortest record, or for an empty one what the zone says (RFC 2308).
func (a *answer) lives(reply *dns.Msg) {
	for _, rr := range slices.Concat(reply.Answer, reply.Extra) {
		if _, options := rr.(*dns.OPT); !options {
			a.ttl = min(a.ttl, time.Duration(rr.Header().Ttl)*time.Second)
		}
	}
	if len(reply.Answer) > 0 {
		return
	}
	for _, rr := range reply.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			a.ttl = min(a.ttl, time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second)
		}
	}
}

func (a *answer) add(service, target string, ip net.IP, port, weight uint16) {
	addr := net.JoinHostPort(ip.String(), strconv.Itoa(int(port)))
	in := adsum.Instance{Service: service, Addr: addr, Weight: int(weight)}.WithDefaults()
	if err := in.Validate(); err != nil {
		a.skipped = append(a.skipped, adsum.Skipped{Key: strconv.Quote(target) + " " + addr, Err: err})
		return
	}
	a.instances = append(a.instances, &in)
}

// ask puts one question to one server after the other until one answers it.
// That a name does not exist is an answer.
func (r *Registry) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	servers, err := r.opts.servers()
	if err != nil {
		return nil, err
	}
	question := new(dns.Msg).SetQuestion(name, kind)
	question.SetEdns0(1232, false) // what fits everywhere unfragmented: DNS flag day 2020
	for _, server := range servers {
		var reply *dns.Msg
		if reply, err = r.exchange(ctx, question, server); err == nil {
			return reply, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, fmt.Errorf("ask for %s of %s: %w", dns.TypeToString[kind], strconv.Quote(name), err)
}

// exchange asks over UDP, and over TCP if the answer is too long for that.
func (r *Registry) exchange(ctx context.Context, question *dns.Msg, server string) (*dns.Msg, error) {
	for _, network := range []string{"udp", "tcp"} {
		client := &dns.Client{Net: network, Timeout: r.opts.Timeout}
		reply, _, err := client.ExchangeContext(ctx, question, server)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", server, err)
		}
		if reply.Truncated && network == "udp" {
			continue
		}
		switch reply.Rcode {
		case dns.RcodeSuccess, dns.RcodeNameError:
			return reply, nil
		case dns.RcodeRefused, dns.RcodeNotAuth:
			return nil, fmt.Errorf("%s: %w: %s", server, adsum.ErrDenied, dns.RcodeToString[reply.Rcode])
		}
		return nil, fmt.Errorf("%s: %s", server, dns.RcodeToString[reply.Rcode])
	}
	return nil, fmt.Errorf("%s: the answer is cut off even over TCP", server)
}
