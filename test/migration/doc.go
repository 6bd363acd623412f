// Package migration holds the two programs of docs/migrating-from-go-kit.md, on
// go-kit's own sd/etcdv3 and on adsum, and proves on a real etcd that copies
// and callers of both work together, so that a fleet can move one by one.
package migration
