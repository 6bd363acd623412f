package lb_test

import (
	"fmt"

	"github.com/adsum-go/adsum"
)

// instances makes n passing copies of "book", sorted by id.
func instances(n int) []*adsum.Instance {
	list := make([]*adsum.Instance, n)
	for i := range list {
		list[i] = instance(i, adsum.Passing)
	}
	return list
}

func instance(i int, status adsum.Status) *adsum.Instance {
	return &adsum.Instance{
		ID: fmt.Sprintf("copy-%05d", i), Service: "book", Addr: fmt.Sprintf("127.0.0.1:%d", i+1), Weight: 1, Status: status,
	}
}

func snapshot(generation uint64, instances ...*adsum.Instance) *adsum.Snapshot {
	return &adsum.Snapshot{Service: "book", Generation: generation, Instances: instances}
}
