package consul

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// entry is one service of one node as the catalog lists it, understood.
type entry struct {
	in          adsum.Instance
	node, id    string // that Consul knows it by
	ours        bool   // written by this library
	term        term   // if ours
	created     uint64 // the index at which the catalog first knew it
	modified    uint64 // the index of its last change
	expired     bool   // ours, and its owner's heartbeat ran out
	away        bool   // the agent that holds it does not live
	maintenance *adsum.Override
}

// key tells entries apart.
func (e *entry) key() string { return e.node + "/" + e.id }

// readEntry understands an entry of any program. The error is safe to print.
func readEntry(service string, s *api.ServiceEntry) (*entry, error) {
	if s == nil || s.Service == nil || s.Node == nil {
		return nil, errors.New("it lacks its service or its node")
	}
	e := &entry{node: s.Node.Node, id: s.Service.ID, created: s.Service.CreateIndex, modified: s.Service.ModifyIndex}
	e.term, e.ours = parseTerm(s.Service.Meta[metaTerm])
	host := s.Service.Address
	if host == "" {
		host = s.Node.Address
	}
	e.in = adsum.Instance{Service: service, Addr: net.JoinHostPort(host, strconv.Itoa(s.Service.Port)), Status: adsum.Passing}
	e.in.Tags = slices.Clone(s.Service.Tags)
	e.readEndpoints(s.Service.TaggedAddresses)
	var err error
	if e.ours {
		err = e.readOurs(s.Service)
	} else {
		e.readForeign(s.Service)
	}
	if err != nil {
		return nil, err
	}
	e.readChecks(s.Checks)
	e.readWeight(s.Service)
	if !e.ours {
		e.readConventions()
	}
	e.in = codec.Tidy(e.in).WithDefaults()
	return e, e.in.Validate()
}

// readEndpoints leaves out what Consul adds by itself.
func (e *entry) readEndpoints(tagged map[string]api.ServiceAddress) {
	for scheme, a := range tagged {
		switch scheme {
		case "lan", "wan", "lan_ipv4", "wan_ipv4", "lan_ipv6", "wan_ipv6", "virtual", "consul-virtual":
			continue
		}
		if e.in.Endpoints == nil {
			e.in.Endpoints = map[string]string{}
		}
		e.in.Endpoints[scheme] = endpoint(a)
	}
}

// readOurs reads back exactly what was published.
func (e *entry) readOurs(s *api.AgentService) error {
	packed, err := readMore(s.Meta)
	if err != nil {
		return err
	}
	e.in.ID = strings.TrimPrefix(s.ID, e.in.Service+":")
	e.in.Zone, e.in.Version = s.Meta[metaZone], s.Meta[metaVer]
	e.in.Reason = s.Meta[metaReason] + packed.Reason
	if status := s.Meta[metaStatus]; status != "" {
		e.in.Status = adsum.Status(status)
	}
	e.in.Metadata = packed.Metadata
	for key, value := range s.Meta {
		if !fitsMeta(key, value) {
			continue
		}
		if e.in.Metadata == nil {
			e.in.Metadata = map[string]string{}
		}
		e.in.Metadata[key] = value
	}
	return nil
}

// readForeign takes a record that other programs wrote.
func (e *entry) readForeign(s *api.AgentService) {
	e.in.ID = foreignID(s.ID)
	if s.ID == e.in.Service { // what Consul calls a service that was given no id, on every node
		e.in.ID = foreignID(s.ID + "@" + e.node)
	}
	e.in.Metadata = maps.Clone(s.Meta)
	if secure, _ := strconv.ParseBool(s.Meta[metaSecure]); secure && e.in.Endpoints["https"] == "" { // Spring Cloud
		if e.in.Endpoints == nil {
			e.in.Endpoints = map[string]string{}
		}
		e.in.Endpoints["https"] = e.in.Addr
	}
}

// readConventions fills the fields for which other programs use metadata, and
// Kratos a tag.
func (e *entry) readConventions() {
	e.in = codec.Lift(e.in)
	for _, tag := range e.in.Tags {
		if version, ok := strings.CutPrefix(tag, "version="); ok && e.in.Version == "" {
			e.in.Version = version
		}
	}
}

// readWeight takes the weight of the state the instance is in. Of a foreign
// instance Consul's default says nothing: many write a weight into the
// metadata.
func (e *entry) readWeight(s *api.AgentService) {
	e.in.Weight = s.Weights.Passing
	if e.in.Status == adsum.Warning && s.Weights.Warning > 0 {
		e.in.Weight = s.Weights.Warning
	}
	if own, err := strconv.Atoi(s.Meta[metaWeight]); err == nil && e.ours {
		e.in.Weight = own
	}
	if !e.ours && e.in.Weight == adsum.DefaultWeight {
		e.in.Weight = 0
	}
}

// Checks by which Consul says that a node or a service is in maintenance, and
// the one by which it says that an agent lives.
const (
	nodeMaintenance    = "_node_maintenance"
	serviceMaintenance = "_service_maintenance:"
	agentAlive         = "serfHealth"
)

// readChecks combines the checks to the worst of them.
func (e *entry) readChecks(checks api.HealthChecks) {
	for _, check := range checks {
		switch {
		case check == nil:
		case check.CheckID == nodeMaintenance || strings.HasPrefix(check.CheckID, serviceMaintenance):
			reason, _ := strings.CutPrefix(check.Notes, imposedMark)
			e.maintenance = &adsum.Override{Status: adsum.Draining, Reason: brief(reason)}
		case e.ours && check.Type == "ttl" && check.CheckID == checkID(e.id):
			// Critical without having run out is what an agent calls every
			// check after its own restart, until the next beat.
			e.expired = check.Status == api.HealthCritical && strings.HasPrefix(check.Output, "TTL expired")
		case e.ours && strings.HasPrefix(check.CheckID, wordPrefix): // known from the metadata
		default:
			e.away = e.away || check.CheckID == agentAlive && check.Status == api.HealthCritical
			e.combine(check)
		}
	}
}

func (e *entry) combine(check *api.HealthCheck) {
	status := adsum.Passing
	switch check.Status {
	case api.HealthWarning:
		status = adsum.Warning
	case api.HealthCritical:
		status = adsum.Critical
	}
	if worse := e.in.Status.Worse(status); worse != e.in.Status {
		e.in.Status, e.in.Reason = worse, brief(check.Name+": "+check.Output)
	}
}

// claimed orders entries of one id: those that are kept before those that are
// not, then the younger owner's.
func (e *entry) claimed(before *entry, index uint64) bool {
	if kept, other := !e.expired && !e.away, !before.expired && !before.away; kept != other {
		return kept
	}
	if e.term.claim != before.term.claim {
		return e.term.claim.YoungerThan(before.term.claim, index)
	}
	return e.key() < before.key()
}

// foreignID makes an id of what other programs call theirs.
func foreignID(id string) string {
	var b strings.Builder
	for i := range len(id) {
		c := id[i]
		if c < utf8.RuneSelf && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c))) || strings.IndexByte("._:@+~=[]%-", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// brief makes one short line of a foreign text, safe to print.
func brief(s string) string {
	s = strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), string(utf8.RuneError))
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, s)
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:297], "") + "..."
	}
	return s
}
