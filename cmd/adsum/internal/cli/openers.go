package cli

import (
	"sigs.k8s.io/yaml"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/consul"
	"github.com/adsum-go/adsum/dnssrv"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/eureka"
	"github.com/adsum-go/adsum/file"
	"github.com/adsum-go/adsum/memory"
	"github.com/adsum-go/adsum/zookeeper"
)

// openers lists the registries that --registry can name, by URL scheme.
func openers() adsum.Openers {
	return adsum.Openers{
		"consul":       consul.Open,
		"dns":          dnssrv.Open,
		"etcd":         etcd.Open,
		"eureka+http":  eureka.Open,
		"eureka+https": eureka.Open,
		"file":         openFile,
		"memory":       memory.Open,
		"zk":           zookeeper.Open,
	}
}

// openFile reads YAML as well as JSON.
func openFile(rawURL string) (adsum.Registry, error) {
	return file.OpenWith(rawURL, file.Options{Convert: toJSON()})
}

// toJSON are the formats of files besides JSON, by their endings.
func toJSON() map[string]func([]byte) ([]byte, error) {
	return map[string]func([]byte) ([]byte, error){".yaml": yaml.YAMLToJSON, ".yml": yaml.YAMLToJSON}
}
