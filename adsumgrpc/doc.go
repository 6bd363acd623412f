// Package adsumgrpc connects gRPC clients and servers to a registry.
//
// A client asks for a service by its name. It keeps one connection to every
// copy that the [adsum.Directory] knows, and chooses a copy for each call:
//
//	conn, err := adsumgrpc.NewClient(dir, "book", grpc.WithTransportCredentials(creds))
//
// The options of gRPC and of this package ([WithPolicy], [WithRetry], [WithHedge],
// [Idempotent], [WithServiceConfig]) go into one list. Programs that make
// their connections elsewhere use [DialOptions] with the target adsum:///book.
//
// A server is served, registered, and taken down in order by [Serve]:
//
//	err := adsumgrpc.Serve(ctx, srv, listener, registry, adsum.Instance{Service: "book"})
//
// # Which address is called
//
// With transport security, a copy's "grpcs" endpoint, else its "grpc"
// endpoint, else its address. Without, its "grpc" endpoint, else its address;
// a copy that offers only "grpcs" is not called in clear: calls fail and say
// why. The authority, and with it the name that the server's certificate must
// carry, is the service's name; [grpc.WithAuthority] sets another.
//
// # When calls fail
//
// While nothing is known of the service yet, or connections to its copies are
// still being made, calls wait, to their deadline at most. Once it is known
// that nobody can be called, they fail at once with [codes.Unavailable] and
// the reason, and errors.Is finds [lb.ErrNoEndpoint] in the error, or they go on
// waiting if they are [grpc.WaitForReady].
//
// Calls of methods that are safe to send again, those whose idempotency_level
// is NO_SIDE_EFFECTS or IDEMPOTENT and those named by [Idempotent], are tried
// again on another copy when one cannot be reached. A stream is, until its
// first message has been handed over, and if only the server streams. For all
// other calls, gRPC's transparent retry covers requests that never left; they
// are not sent twice. A retryPolicy in the service config works as well; its
// tries multiply with these.
//
// A copy that was frozen, or cut off without a word, keeps its connection until
// the registry takes it out. Until then a call to it waits for its deadline: the
// one of [lb.Retry].PerTry, if the call is safe to send again. Where the servers
// permit it, [grpc.WithKeepaliveParams] finds out sooner.
package adsumgrpc
