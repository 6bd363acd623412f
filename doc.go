// Package adsum lets services find each other through the registry a company
// already runs.
//
// Five nouns carry it. An [Instance] is one running copy of a service. A
// [Registry] is where instances are published; each product has a driver in a
// package of its own. A [Registration] keeps one instance published until it
// is closed, whatever the registry does. A [Directory] is the live local view
// of services: watched, shared, with the last known good in memory and on
// disk. A balancer (package lb) picks an endpoint for a call and learns from
// how the call ends.
//
//	server:  Instance → health checks → Registration → Registry
//	client:  Registry → Directory → Snapshot → Balancer → call → outcome → Balancer
package adsum
