// Package adsumgrpc connects gRPC clients and servers to a registry.
package adsumgrpc
