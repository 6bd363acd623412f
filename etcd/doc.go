// Package etcd publishes and finds instances in etcd (version 3).
//
// [Open] takes a URL, [New] a client of the program's own. Neither needs the
// registry to be up.
//
// A record lies at BASE/SERVICE/ID on a lease of its own, in a format that
// other programs read: see package codec. What must not be routed to, and
// what is nobody's business but ours, lies under /adsum/v1/BASE/SERVICE/ID/.
// docs/etcd.md describes both, the rights they need, and what happens in an
// outage.
package etcd
