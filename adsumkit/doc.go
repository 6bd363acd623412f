// Package adsumkit puts go-kit programs on adsum.
//
// A program written against one of go-kit's sd packages keeps its factory and
// its endpoints and changes its constructors:
//
//	go-kit                                   here
//	etcdv3.NewRegistrar(client, …, logger)   NewRegistrar(registry, instance)
//	etcdv3.NewInstancer(client, …, logger)   NewInstancer(directory, "book")
//	sd.NewEndpointer(instancer, f, logger)   NewEndpointer(instancer, f)
//	lb.NewRoundRobin(endpointer)             NewBalancer(endpointer, lb.RoundRobin)
//	lb.Retry(3, 3*time.Second, balancer)     Retry(3, 3*time.Second, balancer)
//
// [Registrar], [Instancer], [Endpointer] and [Balancer] are go-kit's
// interfaces of these names, so that each can also be changed alone: go-kit's
// own endpointer works on this Instancer, go-kit's balancers on this
// Endpointer, go-kit's Retry on this Balancer.
//
// [FromInstancers] is the other direction: go-kit's instancers, as a registry
// that a Directory can watch. [LoadFromHTTP] and [LoadFromGRPC] read what servers
// tell of their load. [NewLogger] lets adsum log to a go-kit logger.
package adsumkit
