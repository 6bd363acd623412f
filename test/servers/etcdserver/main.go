// Command etcdserver is the etcd that the tests start as a process of its own:
// the unmodified server with small write-ahead log segments, and the two
// snapshot operations of etcdutl and etcdctl that the fault tests need.
//
//	etcdserver [etcd's own flags]
//	etcdserver save -endpoint URL [-cacert F -cert F -key F] [-user NAME:PASSWORD] FILE
//	etcdserver restore -data-dir D -name N -initial-cluster C -initial-advertise-peer-urls P -initial-cluster-token T FILE
package main

import (
	"fmt"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// walSegmentBytes keeps a data directory at about 2 MB, where the default of
// 64 MB a segment makes it 123 MB: it is created, copied and erased by tests.
const walSegmentBytes = 1 << 20

func main() {
	wal.SegmentSizeBytes = walSegmentBytes
	command, args := "", []string(nil)
	if len(os.Args) > 1 {
		command, args = os.Args[1], os.Args[2:]
	}
	var err error
	switch command {
	case "save":
		err = save(args)
	case "restore":
		err = restore(args)
	default:
		etcdmain.Main(os.Args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcdserver "+command+":", err)
		os.Exit(1)
	}
}
