package cli

import (
	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/etcd"
	"github.com/adsum-go/adsum/memory"
)

// openers lists the registries that --registry can name, by URL scheme.
func openers() adsum.Openers {
	return adsum.Openers{
		"etcd":   etcd.Open,
		"memory": memory.Open,
	}
}
