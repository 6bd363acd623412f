package codec

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/adsum-go/adsum"
)

// kratos is the value of go-kratos' registries for etcd and ZooKeeper.
type kratos struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Version   string            `json:"version"`
	Metadata  map[string]string `json:"metadata"`
	Endpoints []string          `json:"endpoints"`
}

func encodeKratos(r Record) ([]byte, error) {
	in := r.Instance
	metadata := sink(in)
	if in.Metadata["version"] == "" {
		delete(metadata, "version") // it has a field of its own
	}
	return json.Marshal(kratos{ID: in.ID, Name: in.Service, Version: in.Version, Metadata: metadata, Endpoints: endpointURLs(in)})
}

// endpointURLs lists the endpoints by scheme. Without any, Addr is taken for
// a gRPC server, the default transport of the programs that read this.
func endpointURLs(in adsum.Instance) []string {
	if len(in.Endpoints) == 0 {
		return []string{"grpc://" + in.Addr}
	}
	urls := make([]string, 0, len(in.Endpoints))
	for _, scheme := range slices.Sorted(maps.Keys(in.Endpoints)) {
		urls = append(urls, scheme+"://"+in.Endpoints[scheme])
	}
	return urls
}

func matchKratos(o object) bool { return o.has("endpoints") }

func decodeKratos(o object) (Record, error) {
	var version string
	var urls []string
	if err := errors.Join(o.read("endpoints", &urls), o.read("version", &version)); err != nil {
		return Record{}, err
	}
	if len(urls) == 0 {
		return Record{}, errors.New("\"endpoints\" is empty")
	}
	in, err := fromURLs(urls)
	metadata, _ := o.get("metadata")
	in.Version, in.Metadata = version, texts(metadata)
	return Record{Instance: Lift(in)}, err
}
