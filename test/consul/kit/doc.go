// Package kit shows the life of a go-kit service in Consul, of examples/consul,
// step by step on a real agent.
package kit
