package eureka

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// entry is one instance as it lies in Eureka.
type entry struct {
	in       adsum.Instance // as callers are to see it
	said     adsum.Instance // the owner's own word
	claim    adsum.Claim
	ours     bool   // written by this library
	service  string // as the owner spells it
	status   status
	override status
	dirty    int64 // lastDirtyTimestamp
	upSince  int64 // serviceUpTimestamp
}

// drainedByOwner tells that the override is the owner's own, and no
// operator's.
func (e *entry) drainedByOwner() bool {
	return e.ours && e.said.Status == adsum.Draining && e.override == outOfService
}

// listed is an instance as Eureka's servers write it, by several JSON
// libraries: numbers may be strings and strings numbers, and all may be
// missing.
type listed struct {
	InstanceID       text                       `json:"instanceId"`
	HostName         text                       `json:"hostName"`
	IPAddr           text                       `json:"ipAddr"`
	VIPAddress       text                       `json:"vipAddress"`
	Status           text                       `json:"status"`
	OverriddenStatus text                       `json:"overriddenStatus"` // also in lower case
	Port             listedPort                 `json:"port"`
	SecurePort       listedPort                 `json:"securePort"`
	Metadata         map[string]json.RawMessage `json:"metadata"`
	LastDirty        text                       `json:"lastDirtyTimestamp"`
	Lease            json.RawMessage            `json:"leaseInfo"`
}

// text reads a JSON value as text: a string as it is, null as "", anything
// else as its JSON.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil { // null leaves it empty
		*t = text(s)
		return nil
	}
	*t = text(raw)
	return nil
}

// number reads a whole number; what is none is 0.
func (t text) number() int64 {
	n, err := strconv.ParseInt(string(t), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// listedPort is {"$":8080,"@enabled":"true"}, or the number alone.
type listedPort struct {
	number  string
	enabled bool
}

func (p *listedPort) UnmarshalJSON(raw []byte) error {
	var object struct {
		Number  text `json:"$"`
		Enabled text `json:"@enabled"`
	}
	if len(raw) > 0 && raw[0] == '{' {
		if err := json.Unmarshal(raw, &object); err != nil {
			return err
		}
		p.number, p.enabled = string(object.Number), strings.EqualFold(string(object.Enabled), "true")
		return nil
	}
	_ = object.Number.UnmarshalJSON(raw) // never fails
	p.number = string(object.Number)
	p.enabled = p.number != ""
	return nil
}

// maxEntry bounds one instance in a list.
const maxEntry = 1 << 20

// decode reads one instance of a service. The error is safe to print.
func decode(service string, raw []byte, preferIP bool) (*entry, error) {
	if len(raw) > maxEntry {
		return nil, fmt.Errorf("it has %d bytes, at most %d are read", len(raw), maxEntry)
	}
	var l listed
	if err := json.Unmarshal(raw, &l); err != nil {
		return nil, errors.New("it is no instance: " + quote(err.Error()))
	}
	e := &entry{
		service: string(l.VIPAddress), status: status(l.Status), override: status(l.OverriddenStatus),
	}
	e.dirty = l.LastDirty.number() // 0 is older than anything
	var lease struct {
		ServiceUp text `json:"serviceUpTimestamp"`
	}
	if json.Unmarshal(l.Lease, &lease) == nil {
		e.upSince = lease.ServiceUp.number()
	}
	if own, ok := l.Metadata[metaOurs]; ok {
		return e, e.decodeOurs(service, l, own)
	}
	return e, e.decodeForeign(service, l, preferIP)
}

// decodeOurs reads what this library wrote.
func (e *entry) decodeOurs(service string, l listed, own json.RawMessage) error {
	var value text
	_ = value.UnmarshalJSON(own) // never fails
	record, err := codec.Decode(service, ourID(l), []byte(value))
	if err != nil {
		return fmt.Errorf("metadata %q: %w", metaOurs, err)
	}
	if record.Format != codec.Native {
		return fmt.Errorf("metadata %q: not what this library writes", metaOurs)
	}
	e.ours, e.claim, e.said = true, record.Claim, record.Instance
	for key, value := range texts(l.Metadata) {
		if !taken(key) {
			if e.said.Metadata == nil {
				e.said.Metadata = map[string]string{}
			}
			e.said.Metadata[key] = value
		}
	}
	e.said = codec.Tidy(e.said)
	if err := e.said.Validate(); err != nil {
		return err
	}
	e.in = e.said
	if e.status != statusOf(e.said.Status) {
		e.in = apply(e.said, e.status)
	}
	return nil
}

// decodeForeign reads what another program registered. Its claim is the time
// of its last registration, with which our own claims begin too.
func (e *entry) decodeForeign(service string, l listed, preferIP bool) error {
	host := string(l.HostName)
	if preferIP && l.IPAddr != "" || host == "" {
		host = string(l.IPAddr)
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	in := adsum.Instance{ID: idOf(l), Service: service, Metadata: texts(l.Metadata), Endpoints: map[string]string{}}
	switch {
	case l.SecurePort.enabled:
		in.Addr = net.JoinHostPort(host, l.SecurePort.number)
		in.Endpoints["https"] = in.Addr
		if l.Port.enabled {
			in.Endpoints["http"] = net.JoinHostPort(host, l.Port.number)
		}
	default:
		in.Addr = net.JoinHostPort(host, l.Port.number)
	}
	for key, protocol := range map[string]string{metaGRPC: "grpc", "gRPC.port": "grpc", metaManagement: "management"} {
		if addr := net.JoinHostPort(host, in.Metadata[key]); adsum.ValidateAddr(addr) == nil {
			in.Endpoints[protocol] = addr
		}
	}
	in = codec.Tidy(codec.Lift(in))
	in.Status, in.Reason = e.status.meaning()
	e.said = in.WithDefaults()
	if e.override != "" && e.override != unknown {
		e.said = apply(e.said, e.override)
	}
	e.in = e.said
	e.claim = adsum.Claim{Incarnation: uint64(max(e.dirty, 0))}
	return e.in.Validate()
}

// ourID is the id that this library gave.
func ourID(l listed) string {
	if id, ok := strings.CutPrefix(string(l.InstanceID), string(l.VIPAddress)+":"); ok {
		return id
	}
	return idOf(l)
}

// idOf is the id that Eureka knows an instance by, odd characters escaped.
func idOf(l listed) string {
	id := string(l.InstanceID)
	if id == "" {
		id = string(l.HostName)
	}
	if adsum.ValidateID(id) == nil {
		return id
	}
	var b strings.Builder
	for i := range len(id) {
		if c := id[i : i+1]; adsum.ValidateID("a"+c) == nil {
			b.WriteString(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", id[i])
		}
	}
	return b.String()
}

// texts reads metadata, without the class that Java adds to an empty one.
func texts(metadata map[string]json.RawMessage) map[string]string {
	m := make(map[string]string, len(metadata))
	for key, raw := range metadata {
		var value text
		_ = value.UnmarshalJSON(raw) // never fails
		if key != "@class" {
			m[key] = string(value)
		}
	}
	return m
}
