package codec

import (
	"encoding/json"

	"github.com/adsum-go/adsum"
)

// detail is everything that a record says, as it lies under the key "adsum".
type detail struct {
	ID          string            `json:"id"`
	Service     string            `json:"service"`
	Addr        string            `json:"addr"`
	Endpoints   map[string]string `json:"endpoints,omitempty"`
	Weight      number            `json:"weight"`
	Zone        string            `json:"zone,omitempty"`
	Version     string            `json:"version,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Status      adsum.Status      `json:"status"`
	Reason      string            `json:"reason,omitempty"`
	Owner       string            `json:"owner,omitempty"`
	Incarnation uint64            `json:"incarnation,omitempty,string"` // a string: JavaScript keeps 53 bits
}

func newDetail(r Record) detail {
	in := r.Instance
	return detail{
		ID: in.ID, Service: in.Service, Addr: in.Addr, Endpoints: in.Endpoints,
		Weight: number(in.Weight), Zone: in.Zone, Version: in.Version, Tags: in.Tags, Metadata: in.Metadata,
		Status: in.Status, Reason: in.Reason,
		Owner: r.Claim.Owner, Incarnation: r.Claim.Incarnation,
	}
}

func (d detail) record() Record {
	return Record{
		Instance: adsum.Instance{
			ID: d.ID, Service: d.Service, Addr: d.Addr, Endpoints: d.Endpoints,
			Weight: int(d.Weight), Zone: d.Zone, Version: d.Version, Tags: d.Tags, Metadata: d.Metadata,
			Status: d.Status, Reason: d.Reason,
		},
		Claim: adsum.Claim{Owner: clean(d.Owner), Incarnation: d.Incarnation},
	}
}

func encodeNative(r Record) ([]byte, error) {
	return json.Marshal(struct {
		Adsum detail `json:"adsum"`
	}{newDetail(r)})
}

// matchNative leaves to others what has a part of theirs too.
func matchNative(o object) bool { return o.has("adsum") && !o.has("Addr") && !o.has("address") }

func decodeNative(o object) (Record, error) {
	var d detail
	err := o.read("adsum", &d)
	return d.record(), err
}
