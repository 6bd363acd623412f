// Package health asks again and again whether a program is well, and turns
// the answers into the status of its registration.
//
// A [Prober] asks one question once: [HTTP], [TCP], [Exec], [Func] and
// [Beat] are here, gRPC's is in adsumgrpc, and one's own is a method of one
// line. A [Check] says how often it is asked and how many answers turn the
// verdict. A [Checker] runs several checks, keeps the history of each, and
// combines them to the worst; it is attached to an adsum.Registration, which
// then publishes that status:
//
//	reg, err := adsum.Register(registry, adsum.Instance{
//		Service: "book", Addr: "10.0.0.5:8080", Status: adsum.Starting,
//	})
//	checker, err := health.Start([]health.Check{
//		{Probe: health.HTTP{URL: "http://127.0.0.1:8080/healthz"}},
//	})
//	defer checker.Close()
//	checker.Attach(reg)
//
// The status is starting until every check has passed once, critical while
// one fails, and warning while only checks that are declared
// [Check.WarningOnly] fail. Callers are offered passing and warning
// instances. How long a critical record stays is the registration's affair:
// see adsum.WithDeregisterCriticalAfter.
//
// A check proves only what it asks. Check the program that answers calls, by
// the way its callers take, and let beats come out of the program's own work:
// a sidecar that beats for a dead process makes a zombie.
package health
