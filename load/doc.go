// Package load is the server's side of balancing: what it tells of its load, and
// how it refuses what is too much for it. The transports' servers (gRPC, HTTP)
// use it; a server of another kind may, too.
//
// A [Meter] counts the calls under way, and measures how long they take and how
// busy the process is. A [Report] is what it says at one moment, in the forms
// that clients read: ORCA, the standard of gRPC and Envoy.
//
// An [Admission] lets in as many calls as the server can do at a time, which it
// finds out by itself, and refuses the others at once.
//
//	ticket, err := admission.Enter(ctx)
//	if err != nil {
//		return err // refuse the call
//	}
//	defer func() { ticket.Leave(err == nil, ctx.Err() != nil) }()
package load
