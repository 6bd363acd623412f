package book

import (
	"cmp"
	"flag"
	"os"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/consul"
	"github.com/adsum-go/adsum/etcd"
)

// openers lists the registries these programs can use, by URL scheme.
var openers = adsum.Openers{
	"consul": consul.Open,
	"etcd":   etcd.Open,
}

// RegistryFlag defines the flag that names the registry; open it after
// flag.Parse.
func RegistryFlag() (open func() (adsum.Registry, error)) {
	url := flag.String("registry", cmp.Or(os.Getenv("ADSUM_REGISTRY"), "etcd://127.0.0.1:2379/services"), "URL of the registry; also ADSUM_REGISTRY")
	return func() (adsum.Registry, error) { return openers.Open(*url) }
}
