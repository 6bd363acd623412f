package codec

import (
	"encoding/json"
	"errors"

	"github.com/adsum-go/adsum"
)

// kitex is the value of Kitex' registry-etcd.
type kitex struct {
	Network string            `json:"network"`
	Address string            `json:"address"`
	Weight  int               `json:"weight"`
	Tags    map[string]string `json:"tags"`
}

func encodeKitex(r Record) ([]byte, error) {
	in := r.Instance
	tags := sink(in)
	if in.Metadata["weight"] == "" {
		delete(tags, "weight") // it has a field of its own
	}
	return json.Marshal(kitex{Network: "tcp", Address: in.Addr, Weight: in.Weight, Tags: tags})
}

// matchKitex tells it from Curator's JSON, which has the port apart.
func matchKitex(o object) bool { return o.has("address") && !o.has("port") }

func decodeKitex(o object) (Record, error) {
	var address string
	var weight number
	if err := errors.Join(o.read("address", &address), o.read("weight", &weight)); err != nil {
		return Record{}, err
	}
	if address == "" {
		return Record{}, errors.New("\"address\" is empty")
	}
	tags, _ := o.get("tags")
	return Record{Instance: Lift(adsum.Instance{Addr: address, Weight: int(weight), Metadata: texts(tags)})}, nil
}
