// Package etcd publishes and finds instances in etcd v3.
package etcd
