// Package adsumhttp calls services over HTTP by their names, and serves HTTP as
// one copy of a service.
//
// A [Transport] is an [http.RoundTripper] for which the host of a URL is the
// name of a service: a GET of http://book/list goes to one of the copies of
// "book" that the registry names, chosen by a policy, and to another one when
// that fails and it is safe to try again.
//
//	web := &http.Client{Transport: adsumhttp.NewTransport(dir)}
//	resp, err := web.Get("http://book/list")
//
// # What is tried again
//
//   - Whatever the request: a copy that could not be reached at all, for the
//     request never left.
//   - A request that may be sent more than once, that is one whose method is
//     idempotent (GET, HEAD, OPTIONS, TRACE, PUT, DELETE) or that has an
//     Idempotency-Key header, and whose body is empty or can be had again
//     ([http.Request.GetBody]): also a connection that broke, a try that took
//     too long, and an answer with the status 502, 503 or 504. A Retry-After
//     of at most a second is waited for; a longer one ends the tries.
//
// Every other answer is returned as it is, and so is a 502, 503 or 504 when
// there is no other try. The body of an answer is never read ahead: an answer
// whose body breaks off is the caller's to deal with.
//
// # What is called
//
// For http://book, a copy's "http" address, else its "https" address, by TLS,
// else its general address. For https://book its "https" address, else its
// general address, always by TLS. The Host header and the name that the
// certificate must bear are the service's.
//
// Calls made with a context of [lb.Pin] keep to one copy while it is there;
// [EndpointOf] tells which copy answered.
//
// # Deadlines
//
// What is left until the deadline of a request's context is sent along, in
// [DeadlineHeader], and becomes the deadline of the context that the handler gets
// from [Serve] or [DeadlineHandler]. A chain of services thus stops to work when the
// first caller gave up, as it does over gRPC.
//
// # Serving
//
// [Serve] runs an [http.Server] through its life: serve, register, and on the
// way out withdraw, drain, stop. [Healthz] and [Readyz] are its handlers for
// the platform it runs on.
package adsumhttp
