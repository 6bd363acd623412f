// Package servers runs real registry servers for tests: etcd, Consul,
// ZooKeeper and Eureka, unmodified, each as a process of its own on free
// loopback ports, so that a test can kill, freeze, wipe and restart it.
//
//	srv := servers.StartEtcd(t, servers.EtcdOptions{})
//	registry, err := etcd.Open("etcd://" + srv.Addr() + "/services")
//	...
//	srv.Kill()    // SIGKILL: connections are refused
//	srv.Start()   // the same data on the same ports
//	srv.Freeze()  // SIGSTOP: connections open, nothing answers
//	srv.Thaw()    // SIGCONT
//	srv.Wipe()    // killed, its memory erased, running again
//
// A [Node] is one process; an [Ensemble] is all the processes of one registry.
// Both are a [Server]. [Etcd], [Consul], [ZooKeeper] and [Eureka] embed an
// Ensemble and add what only that product can do.
//
// The servers themselves are built or downloaded by [Prepare], which is also
// the command
//
//	go run ./test/servers/prepare
//
// Tests find them in a cache outside the tree. A server that was not prepared
// fails the test with a message that names the command; nothing is skipped.
//
// Start functions take a [testing.TB]: they stop the server when the test
// ends, log the tail of its output when the test failed, and report every
// failed operation as an error of the test, so that its result need not be
// looked at. New functions do the same without a test, for TestMain and for
// tools; their caller closes the server.
//
// The children die with the process that started them, however it ends. Ports
// are chosen below the ephemeral range and stay reserved while a server is
// down, so that it can come back on them.
//
// Linux and macOS only.
package servers
