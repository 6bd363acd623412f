// Package zookeeper publishes and finds instances in ZooKeeper (3.5 or newer).
//
// [Open] takes a URL, [New] the hosts and options. Neither needs the ensemble
// to be up.
//
// A record is an ephemeral node BASE/SERVICE/ID, in a format that other
// programs read, Curator's by default: see package codec. What must not be
// routed to, and what is nobody's business but ours, lies under /adsum/v1.
// docs/zookeeper.md describes both, the rights they need, and what happens in
// an outage.
package zookeeper
