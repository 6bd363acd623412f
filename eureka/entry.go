package eureka

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// entry is one instance as it lies in Eureka.
type entry struct {
	from     listed
	in       *adsum.Instance // as callers are to see it
	said     adsum.Instance  // the owner's own word
	word     *adsum.Override // an operator's; the zero one was undone
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

// drainedByUs tells that the override is the owner's own, or what the owner
// made of an operator's word.
func (e *entry) drainedByUs() bool {
	return e.drainedByOwner() || e.ours && e.word != nil && e.word.Status == adsum.Draining && e.override == outOfService
}

// drainedByOperator tells that Eureka itself was told to drain an instance.
func (e *entry) drainedByOperator() bool { return e.override == outOfService && !e.drainedByOwner() }

// listed is an instance as Eureka's servers write it, by several JSON
// libraries: numbers may be strings and strings numbers, and all may be
// missing. It holds nothing that a renewal changes, so that two that are equal
// say the same.
type listed struct {
	InstanceID       text        `json:"instanceId"`
	HostName         text        `json:"hostName"`
	IPAddr           text        `json:"ipAddr"`
	VIPAddress       text        `json:"vipAddress"`
	Status           text        `json:"status"`
	OverriddenStatus text        `json:"overriddenStatus"` // also in lower case
	Port             listedPort  `json:"port"`
	SecurePort       listedPort  `json:"securePort"`
	Metadata         unread      `json:"metadata"`
	LastDirty        text        `json:"lastDirtyTimestamp"`
	Lease            listedLease `json:"leaseInfo"`
}

// unread is a JSON value that is not yet read.
type unread string

func (u *unread) UnmarshalJSON(raw []byte) error {
	*u = unread(raw)
	return nil
}

// listedLease is when a server saw the instance come up.
type listedLease struct{ upSince int64 }

func (l *listedLease) UnmarshalJSON(raw []byte) error {
	var lease struct {
		ServiceUp text `json:"serviceUpTimestamp"`
	}
	_ = json.Unmarshal(raw, &lease) // of another type it tells nothing
	l.upSince = lease.ServiceUp.number()
	return nil
}

// text reads a JSON value as text: a string as it is, null as "", anything
// else as its JSON.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	if n := len(raw) - 1; n > 0 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		*t = text(raw[1:n])
		return nil
	}
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

// parse reads the JSON of one instance. Its errors, as those of decode, are
// safe to print.
func parse(raw []byte) (l listed, err error) {
	if len(raw) > maxEntry {
		return l, fmt.Errorf("it has %d bytes, at most %d are read", len(raw), maxEntry)
	}
	if err := json.Unmarshal(raw, &l); err != nil {
		return l, errors.New("it is no instance: " + quote(err.Error()))
	}
	return l, nil
}

// decode makes sense of an instance of a service. With an error it returns
// what is known all the same.
func (l listed) decode(service string, preferIP bool) (*entry, error) {
	e := &entry{
		from: l, service: string(l.VIPAddress), status: status(l.Status), override: status(l.OverriddenStatus),
		dirty: l.LastDirty.number(), upSince: l.Lease.upSince,
	}
	metadata, err := texts(l.Metadata)
	if err != nil {
		return e, err
	}
	e.word = wordIn(metadata)
	delete(metadata, metaWord)
	if own, ok := metadata[metaOurs]; ok {
		return e, e.decodeOurs(service, metadata, own)
	}
	return e, e.decodeForeign(service, metadata, preferIP)
}

// decodeOurs reads what this library wrote.
func (e *entry) decodeOurs(service string, metadata map[string]string, own string) error {
	record, err := codec.Decode(service, ourID(e.from), []byte(own))
	if err != nil {
		return fmt.Errorf("metadata %q: %w", metaOurs, err)
	}
	if record.Format != codec.Native {
		return fmt.Errorf("metadata %q: not what this library writes", metaOurs)
	}
	e.ours, e.claim, e.said = true, record.Claim, record.Instance
	for key, value := range metadata {
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
	shown := e.said
	if e.word != nil {
		shown = e.word.Apply(shown)
	}
	if e.status != statusOf(e.said.Status) {
		shown = apply(shown, e.status)
	}
	e.in = &shown
	return nil
}

// decodeForeign reads what another program registered. Its claim is the time
// of its last registration, with which our own claims begin too.
func (e *entry) decodeForeign(service string, metadata map[string]string, preferIP bool) error {
	l := e.from
	host := string(l.HostName)
	if preferIP && l.IPAddr != "" || host == "" {
		host = string(l.IPAddr)
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	in := adsum.Instance{ID: idOf(l), Service: service, Metadata: metadata, Endpoints: map[string]string{}}
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
	e.in = &e.said
	if e.word != nil {
		// Its owner does not obey. Whether it drains is what Eureka tells
		// all programs; the reason and the weight only we can read.
		shown := adsum.Override{Weight: e.word.Weight}.Apply(e.said)
		if shown.Status == adsum.Draining && e.word.Status == adsum.Draining {
			shown.Reason = e.word.Reason
		}
		e.in = &shown
	}
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
func texts(metadata unread) (map[string]string, error) {
	if metadata == "" {
		return nil, nil
	}
	var values map[string]text
	if err := json.Unmarshal([]byte(metadata), &values); err != nil {
		return nil, errors.New("its metadata is no object")
	}
	m := make(map[string]string, len(values))
	for key, value := range values {
		if key != "@class" {
			m[key] = string(value)
		}
	}
	return m, nil
}
