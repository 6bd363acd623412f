package consul

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// Metadata of a record that is no metadata of the instance.
const (
	metaTerm   = "adsum-term"
	metaStatus = "adsum-status" // unless passing
	metaReason = "adsum-reason"
	metaWeight = "adsum-weight" // the instance's own, while an operator's is in force
	metaMore   = "adsum-more-"  // and a number: more, cut in pieces
	metaZone   = "zone"         // these three as Spring Cloud writes them
	metaSecure = "secure"
	metaVer    = "version"
)

// What Consul takes as metadata of a service.
const (
	maxMetaPairs = 63 // of 64; one is for metaWeight
	maxMetaValue = 512
)

var metaKeyGrammar = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// more is what the metadata of a service cannot hold as it is: keys with dots,
// long values, more than 64 pairs.
type more struct {
	Metadata map[string]string `json:"metadata,omitempty"`
	Reason   string            `json:"reason,omitempty"`
}

// serviceID is the id of an instance in the agent, where services share one
// space of ids. A ':' is in no service's name, so it can be taken apart again.
func serviceID(service, id string) string { return service + ":" + id }

// registration is the record of an instance as the agent takes it, checks
// aside.
func registration(in adsum.Instance, t term) (*api.AgentServiceRegistration, error) {
	host, port, err := net.SplitHostPort(in.Addr)
	if err != nil {
		return nil, err // validated before
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	meta, err := metadata(in, t)
	if err != nil {
		return nil, err
	}
	return &api.AgentServiceRegistration{
		ID: serviceID(in.Service, in.ID), Name: in.Service,
		Address: host, Port: number, Tags: in.Tags, Meta: meta,
		TaggedAddresses: taggedAddresses(in.Endpoints),
		Weights:         &api.AgentWeights{Passing: in.Weight, Warning: in.Weight},
	}, nil
}

// taggedAddresses writes endpoints as Kratos does: by scheme, the whole URL in
// the place of the host.
func taggedAddresses(endpoints map[string]string) map[string]api.ServiceAddress {
	if len(endpoints) == 0 {
		return nil
	}
	tagged := make(map[string]api.ServiceAddress, len(endpoints))
	for scheme, addr := range endpoints {
		_, port, _ := net.SplitHostPort(addr)
		number, _ := strconv.Atoi(port)
		tagged[scheme] = api.ServiceAddress{Address: scheme + "://" + addr, Port: number}
	}
	return tagged
}

// metadata puts into the record's metadata what has no other place. What fits
// lies there as it is, for others to read; the rest is packed.
func metadata(in adsum.Instance, t term) (map[string]string, error) {
	meta := map[string]string{metaTerm: t.String()}
	for key, value := range map[string]string{metaZone: in.Zone, metaVer: in.Version} {
		if len(value) > maxMetaValue {
			return nil, &adsum.InvalidError{Field: key, Problem: fmt.Sprintf("it has %d bytes, Consul takes %d", len(value), maxMetaValue), Fix: "shorten it"}
		}
		if value != "" {
			meta[key] = value
		}
	}
	if in.Endpoints["https"] == in.Addr {
		meta[metaSecure] = "true"
	}
	if in.Status != adsum.Passing {
		meta[metaStatus] = string(in.Status)
	}
	packed := more{Metadata: map[string]string{}}
	if len(in.Reason) > maxMetaValue {
		packed.Reason = in.Reason
	} else if in.Reason != "" {
		meta[metaReason] = in.Reason
	}
	var native []string
	for _, key := range slices.Sorted(maps.Keys(in.Metadata)) {
		if value := in.Metadata[key]; len(native) < maxMetaPairs && fitsMeta(key, value) {
			native = append(native, key)
		} else {
			packed.Metadata[key] = value
		}
	}
	for {
		pieces, err := packed.pieces()
		if err != nil {
			return nil, err
		}
		if len(meta)+len(native)+len(pieces) <= maxMetaPairs {
			for _, key := range native {
				meta[key] = in.Metadata[key]
			}
			maps.Copy(meta, pieces)
			return meta, nil
		}
		if len(native) == 0 {
			return nil, &adsum.InvalidError{Field: "metadata", Problem: fmt.Sprintf("it takes %d pieces of %d bytes, Consul has room for %d",
				len(pieces), maxMetaValue, maxMetaPairs-len(meta)), Fix: "keep large data elsewhere and publish where"}
		}
		last := native[len(native)-1]
		native, packed.Metadata[last] = native[:len(native)-1], in.Metadata[last]
	}
}

// fitsMeta reports whether a pair can lie in the metadata as it is, and means
// nothing else there.
func fitsMeta(key, value string) bool {
	switch key {
	case metaZone, metaSecure, metaVer:
		return false
	}
	return metaKeyGrammar.MatchString(key) && len(value) <= maxMetaValue &&
		!strings.HasPrefix(key, "consul-") && !strings.HasPrefix(key, "adsum-")
}

// pieces are pairs of metadata that hold it all.
func (m more) pieces() (map[string]string, error) {
	if len(m.Metadata) == 0 && m.Reason == "" {
		return nil, nil
	}
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	pieces := map[string]string{}
	for text := string(data); text != ""; {
		n := min(len(text), maxMetaValue)
		for n < len(text) && !utf8.RuneStart(text[n]) {
			n--
		}
		pieces[metaMore+strconv.Itoa(len(pieces))] = text[:n]
		text = text[n:]
	}
	return pieces, nil
}

// readMore puts the pieces together again.
func readMore(meta map[string]string) (more, error) {
	var text strings.Builder
	for i := 0; ; i++ {
		piece, ok := meta[metaMore+strconv.Itoa(i)]
		if !ok {
			break
		}
		text.WriteString(piece)
	}
	var m more
	if text.Len() == 0 {
		return m, nil
	}
	if err := json.Unmarshal([]byte(text.String()), &m); err != nil {
		return m, fmt.Errorf("its packed metadata is broken: %w", err)
	}
	return m, nil
}

// registration adds the checks.
func (r *Registry) registration(in adsum.Instance, t term, ttl time.Duration) (*api.AgentServiceRegistration, error) {
	s, err := registration(in, t)
	if err != nil {
		return nil, err
	}
	check := r.heartbeat(ttl)
	if r.opts.Check != nil {
		if check, err = r.ownCheck(in); err != nil {
			return nil, err
		}
	}
	check.CheckID = checkID(s.ID)
	s.Checks = api.AgentServiceChecks{check}
	if w := word(in, s.ID); w != nil {
		s.Checks = append(s.Checks, w)
	}
	return s, nil
}

// endpoint reads one tagged address: a URL, as Kratos writes it, or a bare
// host.
func endpoint(a api.ServiceAddress) string {
	if u, err := url.Parse(a.Address); err == nil && u.Host != "" {
		return u.Host
	}
	return net.JoinHostPort(a.Address, strconv.Itoa(a.Port))
}
