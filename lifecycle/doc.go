// Package lifecycle runs a server as one copy of a service, in the one order
// that costs no caller a failed call:
//
//	serve → serving → register                          (coming)
//	not serving, withdraw → drain delay → finish → stop (going)
//
// A copy is offered to callers only once it answers, and stops answering only
// after callers had time to see that it is no longer offered. The order lives
// here once; gRPC and HTTP servers adapt to it through [Server], which
// adsumgrpc.Serve and adsumhttp.Serve do for you.
package lifecycle
