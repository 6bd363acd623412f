// Package consul publishes and finds instances through a Consul agent.
//
// [Open] takes a URL, [New] a client of the program's own. Neither needs the
// agent to be up.
//
// An instance is a service of the agent, with tags, weights, metadata and
// tagged addresses as other Consul programs read them. By default a TTL check
// says that its owner lives, and a second one, while it is not passing, how
// the owner feels; [Options.Check] has the agent check it instead. An
// operator's word on an instance is Consul's maintenance mode, and lies in the
// key-value store too. docs/consul.md describes all of it, the rights it
// needs, and what happens in an outage.
package consul
