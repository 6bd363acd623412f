package foreign_test

import (
	"slices"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/eureka"
	"github.com/adsum-go/adsum/test/servers"
)

func TestPythonProgramsSeeWhatWeRegisteredInEureka(t *testing.T) {
	t.Parallel()
	seenByEurekaClient(t, false, func(srv *servers.Eureka) *program {
		return startPython(t, "pyeureka/pyeureka.py", "watch", srv.URLs()[0], "book")
	})
}

func TestPythonProgramsSeeWhatWeRegisteredInNetflixEureka(t *testing.T) {
	t.Parallel()
	seenByEurekaClient(t, true, func(srv *servers.Eureka) *program {
		return startPython(t, "pyeureka/pyeureka.py", "watch", srv.URLs()[0], "book")
	})
}

func TestJavaProgramsSeeWhatWeRegisteredInEureka(t *testing.T) {
	t.Parallel()
	seenByEurekaClient(t, false, func(srv *servers.Eureka) *program {
		return startEurekaJava(t, "watch", srv.URLs()[0], "book")
	})
}

// seenByEurekaClient shows our instances, as they come, drain, fail and
// leave, to a foreign program that prints those that it would call.
func seenByEurekaClient(t *testing.T, netflix bool, watch func(*servers.Eureka) *program) {
	t.Helper()
	srv := servers.StartEureka(t, servers.EurekaOptions{Netflix: netflix})
	registry := openEureka(t, srv)
	reg := register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.1:80", Zone: "eu-1"})
	caller := watch(srv)
	caller.until("10.0.0.1:80@eu-1")
	register(t, registry, adsum.Instance{Service: "book", Addr: "10.0.0.2:80", Zone: "eu-2"})
	caller.until("10.0.0.1:80@eu-1 10.0.0.2:80@eu-2")
	for _, away := range []adsum.Status{adsum.Draining, adsum.Critical} {
		if err := reg.SetStatus(away, "upgrade"); err != nil {
			t.Fatal(err)
		}
		caller.until("10.0.0.2:80@eu-2")
		if err := reg.SetStatus(adsum.Passing, ""); err != nil {
			t.Fatal(err)
		}
		caller.until("10.0.0.1:80@eu-1 10.0.0.2:80@eu-2")
	}
	withdraw(t, reg)
	caller.until("10.0.0.2:80@eu-2")
}

func TestWhatPythonRegisteredInEurekaIsFound(t *testing.T) {
	t.Parallel()
	srv := servers.StartEureka(t, servers.EurekaOptions{})
	view := look(t, openEureka(t, srv), "book")
	server := startPython(t, "pyeureka/pyeureka.py", "register", srv.URLs()[0], "book", "10.0.0.8", "80")
	server.until("registered")
	in := seesPassing(t, view, "10.0.0.8:80")
	if in.ID != "10.0.0.8:book:80" || in.Zone != "eu-1" || in.Weight != 10 || in.Endpoints["management"] != "10.0.0.8:80" {
		t.Errorf("got %+v", in)
	}
	server.end()
	sees(t, view)
}

func TestWhatJavaRegisteredInEurekaIsFound(t *testing.T) {
	t.Parallel()
	srv := servers.StartEureka(t, servers.EurekaOptions{})
	view := look(t, openEureka(t, srv), "book")
	server := startEurekaJava(t, "register", srv.URLs()[0], "book", "10.0.0.8", "80")
	server.until("registered")
	if in := seesPassing(t, view, "10.0.0.8:80"); in.Zone != "eu-1" || in.Weight != 10 {
		t.Errorf("got %+v", in)
	}
	server.end()
	sees(t, view)
}

func startEurekaJava(t *testing.T, args ...string) *program {
	t.Helper()
	java := servers.EurekaJava(t)
	return start(t, java[0], slices.Concat(java[1:], []string{"javaeureka/Eureka.java"}, args)...)
}

// openEureka opens the driver for a server without a cache of lists.
func openEureka(t *testing.T, srv *servers.Eureka) adsum.Registry {
	t.Helper()
	return open(t, eureka.Open, "eureka+"+srv.URLs()[0]+"?poll=200ms&server-cache=0&eviction=200ms&self-preservation=false")
}
