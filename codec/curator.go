package codec

import (
	"encoding/json"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/adsum-go/adsum"
)

// curator is a ServiceInstance of Curator's service discovery. The order of
// the keys is Curator's.
type curator struct {
	Name        string          `json:"name"`
	ID          string          `json:"id"`
	Address     string          `json:"address"`
	Port        int             `json:"port"`
	SSLPort     *int            `json:"sslPort"`
	Payload     any             `json:"payload"`
	Registered  int64           `json:"registrationTimeUTC"` // milliseconds
	ServiceType string          `json:"serviceType"`
	URISpec     json.RawMessage `json:"uriSpec"`
	Adsum       *detail         `json:"adsum,omitempty"`
}

// newCurator fills all but the payload. The address is the http endpoint where
// there is one, as the readers of this format speak HTTP.
func newCurator(r Record) (curator, error) {
	in := r.Instance
	addr, _ := in.Address("http")
	host, port, err := splitAddr(addr)
	if err != nil {
		return curator{}, err
	}
	d := newDetail(r)
	c := curator{Name: in.Service, ID: in.ID, Address: host, Port: port, ServiceType: "DYNAMIC", Adsum: &d}
	if sslHost, sslPort, err := splitAddr(in.Endpoints["https"]); err == nil && sslHost == host {
		c.SSLPort = &sslPort
	}
	if !r.Registered.IsZero() {
		c.Registered = r.Registered.UnixMilli()
	}
	return c, nil
}

func splitAddr(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, &adsum.InvalidError{Field: "addr", Value: quote(addr), Problem: "it is not host:port"}
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}

// encodeCurator has the metadata as payload, and none where there is none: a
// reader expects one Java class, and every reader takes null.
func encodeCurator(r Record) ([]byte, error) {
	c, err := newCurator(r)
	if err != nil {
		return nil, err
	}
	if m := sink(r.Instance); len(m) > 0 {
		c.Payload = m
	}
	return json.Marshal(c)
}

// matchCurator tells it from Kitex' JSON, which has the port in the address.
func matchCurator(o object) bool { return o.has("address") && (o.has("port") || o.has("sslPort")) }

// decodeCurator believes our own part where there is one.
func decodeCurator(o object) (Record, error) {
	var d *detail
	var registered number64
	if err := errors.Join(o.read("adsum", &d), o.read("registrationTimeUTC", &registered)); err != nil {
		return Record{}, err
	}
	var r Record
	if d != nil {
		r = d.record()
	} else {
		in, err := foreignCurator(o)
		if err != nil {
			return Record{}, err
		}
		r.Instance = in
	}
	if registered > 0 {
		r.Registered = time.UnixMilli(int64(registered))
	}
	return r, nil
}

func foreignCurator(o object) (adsum.Instance, error) {
	var address string
	var port, sslPort number64
	if err := errors.Join(o.read("address", &address), o.read("port", &port), o.read("sslPort", &sslPort)); err != nil {
		return adsum.Instance{}, err
	}
	if address == "" {
		return adsum.Instance{}, errors.New("\"address\" is empty")
	}
	var in adsum.Instance
	if port != 0 {
		in.Addr = net.JoinHostPort(address, strconv.FormatInt(int64(port), 10))
	}
	if sslPort != 0 {
		secure := net.JoinHostPort(address, strconv.FormatInt(int64(sslPort), 10))
		in.Endpoints = map[string]string{"https": secure}
		if in.Addr == "" {
			in.Addr = secure
		}
	}
	enabled := true
	if err := o.read("enabled", &enabled); err != nil {
		return adsum.Instance{}, err
	}
	if !enabled {
		in.Status, in.Reason = adsum.Draining, "disabled by its owner"
	}
	payload, _ := o.get("payload")
	return spring(in, payload), nil
}

// number64 reads a whole number that may be large, also one written as a
// string; what is no number is 0.
type number64 int64

func (n *number64) UnmarshalJSON(raw []byte) error {
	i, _ := strconv.ParseInt(text(raw), 10, 64)
	*n = number64(i)
	return nil
}
