package book

import (
	"cmp"
	"flag"
	"os"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/consul"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/eureka"
	"github.com/adsum-go/adsum/zookeeper"
)

// openers lists the registries these programs can use, by URL scheme.
var openers = adsum.Openers{
	"consul":       consul.Open,
	"etcd":         etcd.Open,
	"eureka+http":  eureka.Open,
	"eureka+https": eureka.Open,
	"zk":           zookeeper.Open,
}

// RegistryFlag defines the flag that names the registry; open it after
// flag.Parse.
func RegistryFlag() (open func() (adsum.Registry, error)) {
	url := flag.String("registry", cmp.Or(os.Getenv("ADSUM_REGISTRY"), "etcd://127.0.0.1:2379/services"), "URL of the registry; also ADSUM_REGISTRY")
	return func() (adsum.Registry, error) { return openers.Open(*url) }
}

// TTLFlag defines the flag for how long the registry keeps a copy that died.
func TTLFlag() *time.Duration {
	return flag.Duration("ttl", adsum.DefaultTTL, "how long the registry keeps a copy that died")
}
