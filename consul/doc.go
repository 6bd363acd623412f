// Package consul publishes and finds instances through a Consul agent.
package consul
