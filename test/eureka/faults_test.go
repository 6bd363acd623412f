package eureka_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

func TestNamesThatDifferOnlyInCaseAreRefused(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	r := open(t, srv)
	keep(t, r, adsum.Instance{Service: "Cased", Addr: "10.0.0.1:1"})
	_, err := r.Register(soon(t), copyOf("cased", 2), adsum.RegisterOptions{TTL: ttl})
	if !errors.Is(err, adsum.ErrInvalid) || !strings.Contains(err.Error(), "Cased") {
		t.Errorf("registering cased beside Cased: %v", err)
	}
	sees(t, look(t, r, "Cased"), "Cased", has("10.0.0.1:1"))
	sees(t, look(t, r, "cased"), "that cased is another", func(s *adsum.Snapshot) bool {
		return s.Known() && len(s.Instances) == 0 && len(s.Skipped) == 1
	})
}

func TestAServerThatWaitsForItsPeersIsUnknownAndNotEmpty(t *testing.T) {
	t.Parallel()
	srv := servers.StartEureka(t, servers.EurekaOptions{Properties: map[string]string{
		"eureka.instance.registry.default-open-for-traffic-count": "0",
		"eureka.server.wait-time-in-ms-when-sync-empty":           "8000",
	}})
	view := look(t, open(t, srv), "book")
	keep(t, open(t, srv), book(1)) // accepted meanwhile
	sees(t, view, "why there is no answer", func(s *adsum.Snapshot) bool { return s.Err != nil })
	if s := view.Snapshot(); s.Known() || errors.Is(s.Err, adsum.ErrDenied) {
		t.Errorf("in the meantime the service is known: %v, %v", s.Instances, s.Err)
	}
	sees(t, view, "it", has("10.0.0.1:1"))
}

func TestWhatRegisteredBeforeTheOthersHidesNobodyAfterARestart(t *testing.T) {
	t.Parallel()
	srv := servers.StartEureka(t, servers.EurekaOptions{})
	quickOne := keep(t, open(t, srv), book(1))
	slow, err := adsum.Register(open(t, srv), book(2), adsum.WithTTL(24*time.Second), adsum.WithLogger(quiet)) // looks every 8 s
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slow.Close(t.Context()) })
	awaits(t, slow, func(s adsum.RegistrationState) bool { return s.Registered })
	// A watch that looks seldom: it finds a list that is neither empty nor complete.
	view := look(t, open(t, srv, "poll=5s"), "book")
	sees(t, view, "both", has("10.0.0.1:1", "10.0.0.1:2"))
	for range 2 {
		lost := quickOne.State().Lost
		if err := srv.Wipe(); err != nil {
			t.Fatal(err)
		}
		awaits(t, quickOne, func(s adsum.RegistrationState) bool { return s.Registered && s.Lost > lost })
	}
	awaits(t, slow, func(s adsum.RegistrationState) bool {
		if n := len(view.Snapshot().Instances); n != 2 {
			t.Fatalf("callers see %d instances, although both live", n)
		}
		return s.Registered && s.Lost > 0
	})
	sees(t, view, "both again", has("10.0.0.1:1", "10.0.0.1:2"))
}

func TestSelfPreservationKeepsTheDeadAndThatIsDeclared(t *testing.T) {
	t.Parallel()
	srv := servers.StartEureka(t, servers.EurekaOptions{Properties: map[string]string{"eureka.server.enable-self-preservation": "true"}})
	rawURL := strings.Replace("eureka+"+srv.URLs()[0]+quick, "&self-preservation=false", "", 1)
	dead := adsumtest.StartPublisher(t, rawURL, book(1), ttl)
	r := openURL(t, rawURL)
	defer r.Close()
	if d, ok := r.Capabilities().Detection(ttl); ok {
		t.Errorf("it is declared that a crash shows within %v", d)
	}
	view := look(t, r, "book")
	sees(t, view, "it", has("10.0.0.1:1"))
	dead.Kill()
	for end := time.After(3 * ttl); ; {
		changed := view.Changed()
		if got := view.Snapshot(); len(got.Instances) != 1 {
			t.Fatalf("it is gone after all: %v, %v", got.Instances, got.Err)
		}
		select {
		case <-changed: // a slow answer makes the list stale for a moment
		case <-end:
			return
		}
	}
}

func TestWhatForeignProgramsRegisterIsListed(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	raw := rawEureka{srv.URLs()[0]}
	for _, body := range []string{
		// Spring Cloud, go-kit (fargo) and Python's py-eureka-client.
		`{"instance":{"instanceId":"h:users:7003","hostName":"127.0.0.1","app":"USERS","ipAddr":"127.0.0.1","status":"UP","overriddenStatus":"UNKNOWN","port":{"$":7003,"@enabled":"false"},
			"securePort":{"$":7443,"@enabled":"true"},"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},"metadata":{"zone":"eu-1"},"vipAddress":"users"}}`,
		`{"instance":{"instanceId":"users-127.0.0.1-7002","hostName":"127.0.0.1","app":"USERS","ipAddr":"127.0.0.1","vipAddress":"users","status":"UP","overriddenstatus":"UNKNOWN","countryId":1,
			"dataCenterInfo":{"name":"MyOwn","@class":"com.netflix.appinfo.MyDataCenterInfo"},"metadata":{"weight":"10"},"port":{"$":"7002","@enabled":"true"},"securePort":{"$":"443","@enabled":"false"}}}`,
		`{"instance":{"instanceId":"down","hostName":"127.0.0.1","app":"USERS","ipAddr":"127.0.0.1","vipAddress":"users","status":"DOWN",
			"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},"port":{"$":7004,"@enabled":"true"}}}`,
	} {
		if err := raw.post(soon(t), "USERS", body); err != nil {
			t.Fatal(err)
		}
	}
	r := open(t, srv)
	view := look(t, r, "users")
	sees(t, view, "all three", has("127.0.0.1:7002", "127.0.0.1:7004", "127.0.0.1:7443"))
	if callable := view.Snapshot().Select("", true); len(callable) != 2 {
		t.Errorf("%d are callable, want 2", len(callable))
	}
	remover := r.(adsum.Remover)
	if err := remover.Remove(soon(t), "users", "down"); err != nil {
		t.Error(err)
	}
	if err := remover.Remove(soon(t), "users", "down"); !errors.Is(err, adsum.ErrNotFound) {
		t.Errorf("removing it twice: %v", err)
	}
	sees(t, view, "two", has("127.0.0.1:7002", "127.0.0.1:7443"))
}

func TestCertificatesAreReadAnewForEveryConnection(t *testing.T) {
	t.Parallel()
	srv, ca := startTLS(t)
	client := certs.NewAuthority(t).Client(t, "mallory")
	r := openURL(t, "eureka+"+srv.URLs()[0]+quick+"&ca-file="+ca.File+"&cert-file="+client.CertFile+"&key-file="+client.KeyFile)
	defer r.Close()
	reg, err := adsum.Register(r, book(1), adsum.WithTTL(ttl), adsum.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close(t.Context())
	awaits(t, reg, func(s adsum.RegistrationState) bool { return errors.Is(s.LastError, adsum.ErrUntrusted) })
	good := ca.Client(t, "alice")
	for from, to := range map[string]string{good.CertFile: client.CertFile, good.KeyFile: client.KeyFile} {
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	awaits(t, reg, func(s adsum.RegistrationState) bool { return s.Registered })
}

// eventually waits for a condition that nothing announces.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ctx := soon(t); !ok(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never %s", what)
		}
	}
}
