package codec

import (
	"encoding/json"

	"github.com/adsum-go/adsum"
)

// zookeeperInstance is the payload by which Spring Cloud fills Curator's JSON.
// A reader of any other class fails on it, and so does Spring on any other.
type zookeeperInstance struct {
	Class    string            `json:"@class"`
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
}

const (
	springClass   = "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance"
	springURISpec = `{"parts":[{"value":"scheme","variable":true},{"value":"://","variable":false},` +
		`{"value":"address","variable":true},{"value":":","variable":false},{"value":"port","variable":true}]}`
	springStatus = "instance_status"
)

func encodeSpring(r Record) ([]byte, error) {
	c, err := newCurator(r)
	if err != nil {
		return nil, err
	}
	metadata := sink(r.Instance)
	if _, own := metadata[springStatus]; !own {
		metadata[springStatus] = springStatusOf(r.Instance.Status)
	}
	c.Payload = zookeeperInstance{springClass, r.Instance.ID, r.Instance.Service, metadata}
	c.URISpec = json.RawMessage(springURISpec)
	return json.Marshal(c)
}

func matchSpring(o object) bool {
	payload, _ := o.get("payload")
	return matchCurator(o) && texts(payload)["@class"] == springClass
}

// springStatusOf is Spring's word for a status: it calls what is UP.
func springStatusOf(s adsum.Status) string {
	if s.Callable() {
		return "UP"
	}
	return "OUT_OF_SERVICE"
}

// spring takes what a payload says, of Spring's class or any other.
func spring(in adsum.Instance, payload json.RawMessage) adsum.Instance {
	in.Metadata = texts(payload)
	if in.Metadata["@class"] == springClass {
		var inner map[string]json.RawMessage
		_ = json.Unmarshal(payload, &inner) // texts has read it
		in.Metadata = texts(inner["metadata"])
		if status, known := springStatuses()[in.Metadata[springStatus]]; known {
			in.Status = in.Status.Worse(status)
		}
	}
	delete(in.Metadata, "@class") // of a map
	return Lift(in)
}

func springStatuses() map[string]adsum.Status {
	return map[string]adsum.Status{"OUT_OF_SERVICE": adsum.Draining, "DOWN": adsum.Critical, "STARTING": adsum.Starting}
}
