package codec

import (
	"encoding/json"
	"errors"
)

// naming is the value of etcd's client/v3/naming.
type naming struct {
	Op       int             `json:"Op"`
	Addr     string          `json:"Addr"`
	Metadata json.RawMessage `json:"Metadata"`
	Adsum    *detail         `json:"adsum,omitempty"`
}

func encodeNaming(r Record) ([]byte, error) {
	addr, _ := r.Instance.Address("grpc")
	d := newDetail(r)
	return json.Marshal(naming{Addr: addr, Adsum: &d})
}

func matchNaming(o object) bool { return o.has("Addr") }

// decodeNaming believes our own part where there is one. Op is not looked at,
// as etcd's own reader does not.
func decodeNaming(o object) (Record, error) {
	var d *detail
	if err := o.read("adsum", &d); err != nil {
		return Record{}, err
	}
	if d != nil {
		return d.record(), nil
	}
	var addr string
	if err := o.read("Addr", &addr); err != nil {
		return Record{}, err
	}
	if addr == "" {
		return Record{}, errors.New("\"Addr\" is empty")
	}
	in, err := fromBare(addr)
	metadata, _ := o.get("Metadata")
	in.Metadata = texts(metadata)
	return Record{Instance: Lift(in)}, err
}
