package titles

import (
	"net/url"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/consul"
)

// Open opens the registry of an agent (host:port), which is to ask the health
// page of every copy each second, and to remove the record of one whose page
// has failed for a minute. It does not need the agent to be up.
func Open(agent string) (adsum.Registry, error) {
	options := url.Values{
		"check":            {"http:/healthz"},
		"check-interval":   {"1s"},
		"check-timeout":    {"1s"},
		"deregister-after": {"1m"}, // DeregisterCriticalServiceAfter
	}
	return consul.Open("consul://" + agent + "?" + options.Encode())
}

// NewRegistrar is go-kit's sd.Registrar for one copy: what
// consul.NewRegistrar(client, registration, logger) of go-kit's sd/consul was.
func NewRegistrar(registry adsum.Registry, id, addr string, tags ...string) (*adsumkit.Registrar, error) {
	return adsumkit.NewRegistrar(registry, adsum.Instance{ID: id, Service: Service, Addr: addr, Tags: tags})
}
