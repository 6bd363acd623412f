// Package debug shows over HTTP what the balancers of a program know and do:
// the services it calls, their copies with weight, status, calls under way,
// latency and ejection, the last picks, and how a pick would be made now.
//
// The program composes it, and nobody else gets in: clients are given an
// [lb.Inspector] (WithInspector of each transport), which [Handler] serves.
//
//	inspector := &lb.Inspector{}
//	conn, err := adsumgrpc.NewClient(dir, "book", adsumgrpc.WithInspector(inspector), creds)
//	http.Handle(debug.Path, debug.Handler(inspector))
//
// It answers callers on the same machine only. curl gets text, a program that
// asks for application/json (or ?format=json) a [Report], and
// "adsum explain NAME --from URL" reads that.
package debug
