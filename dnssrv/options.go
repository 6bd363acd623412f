package dnssrv

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/adsum-go/adsum"
)

// The defaults of [Options].
const (
	DefaultTimeout = 2 * time.Second
	DefaultMin     = time.Second
	DefaultMax     = 30 * time.Second
)

// Options are the settings of a [Registry].
type Options struct {
	// Servers are the name servers, host or host:port, asked in this order
	// until one answers. Without any, those of /etc/resolv.conf.
	Servers []string
	// Name makes the DNS name of a service: "{service}" in it stands for
	// the service's name, as in "{service}.service.consul" or
	// "_grpc._tcp.{service}.prod.svc.cluster.local".
	Name string
	// Port asks for A and AAAA records and calls them at this port. 0 asks
	// for SRV records.
	Port int
	// Timeout bounds one question to one server; [DefaultTimeout] if zero.
	Timeout time.Duration
	// Min and Max bound how long an answer is taken for true, whatever its
	// TTL says; [DefaultMin] and [DefaultMax] if zero.
	Min, Max time.Duration
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Min == 0 {
		o.Min = DefaultMin
	}
	if o.Max == 0 {
		o.Max = max(DefaultMax, o.Min)
	}
	return o
}

func (o Options) validate() error {
	switch {
	case strings.Count(o.Name, "{service}") != 1:
		return invalid("name", o.Name, "it does not have {service} in it once", "write it like {service}.service.consul")
	case o.Port < 0 || o.Port > 65535:
		return invalid("port", strconv.Itoa(o.Port), "it is not from 1 to 65535", "leave it out to ask for SRV records")
	case o.Timeout < time.Millisecond:
		return invalid("timeout", o.Timeout.String(), "it is shorter than 1ms", "leave it out for "+DefaultTimeout.String())
	case o.Min < 10*time.Millisecond:
		return invalid("min", o.Min.String(), "it is shorter than 10ms", "leave it out for "+DefaultMin.String())
	case o.Max < o.Min:
		return invalid("max", o.Max.String(), "it is shorter than min, "+o.Min.String(), "raise it")
	}
	if _, ok := dns.IsDomainName(strings.Replace(o.Name, "{service}", "x", 1)); !ok {
		return invalid("name", o.Name, "it is no domain name", "write it like {service}.service.consul")
	}
	return nil
}

// parse reads a URL: dns://server:53,server2/zone?…
func parse(rawURL string) (Options, error) {
	var o Options
	u, err := adsum.ParseURL(rawURL)
	if err != nil {
		return o, err
	}
	if err := u.Known("name", "port", "timeout", "min", "max"); err != nil {
		return o, err
	}
	if u.User != nil {
		return o, invalid("registry URL (dns://…)", "", "DNS has no users", "leave out the part before @")
	}
	o.Servers = u.Hosts
	zone, name := strings.Trim(u.Path, "/"), u.Query.Get("name")
	switch {
	case zone != "" && name != "":
		return o, invalid("name", name, "the URL has a zone as well, "+zone, "give one of both")
	case zone != "":
		o.Name = "{service}." + zone
	default:
		o.Name = name
	}
	if text := u.Query.Get("port"); text != "" {
		if o.Port, err = strconv.Atoi(text); err != nil || o.Port == 0 {
			return o, invalid("port", text, "it is not from 1 to 65535", "leave it out to ask for SRV records")
		}
	}
	for _, d := range []struct {
		key    string
		target *time.Duration
	}{{"timeout", &o.Timeout}, {"min", &o.Min}, {"max", &o.Max}} {
		if text := u.Query.Get(d.key); text != "" {
			if *d.target, err = time.ParseDuration(text); err != nil || *d.target <= 0 {
				return o, invalid(d.key, text, "it is no duration", "write it like 500ms or 2s")
			}
		}
	}
	return o, nil
}

// servers gives every server a port, and without any takes the system's. It
// reads resolv.conf each time, as that may change under a running program.
func (o Options) servers() ([]string, error) {
	servers := slices.Clone(o.Servers)
	if len(servers) == 0 {
		config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil {
			return nil, fmt.Errorf("find the system's name servers: %w; name one in the URL, as in dns://10.0.0.2/%s", err, "zone")
		}
		servers = config.Servers
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("find the system's name servers: %w in /etc/resolv.conf; name one in the URL", os.ErrNotExist)
	}
	for i, s := range servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			servers[i] = net.JoinHostPort(strings.Trim(s, "[]"), "53")
		}
	}
	return servers, nil
}

func invalid(field, value, problem, fix string) error {
	e := &adsum.InvalidError{Field: field, Problem: problem, Fix: fix}
	if value != "" {
		e.Value = strconv.Quote(value)
	}
	return e
}
