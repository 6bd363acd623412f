package eureka_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/eureka"
	"github.com/adsum-go/adsum/test/servers"
	"github.com/adsum-go/adsum/test/servers/certs"
)

// The two runs do harm to the servers that other tests share, but those are
// parallel: they begin when both runs are over. To start one more of either
// costs seconds.
func TestConformance(t *testing.T) {
	adsumtest.Conformance(t, harness("Eureka (Spring Cloud Netflix 4.3.1)", sharedServer(t)))
}

func TestConformanceOfNetflix(t *testing.T) {
	h := harness("Eureka (Netflix 1.10.1)", sharedNetflix.server(t))
	h.NotApplicable[36] = "it is started without TLS: the case is about Spring Cloud's, and passes in TestConformance"
	adsumtest.Conformance(t, h)
}

// quick are the options that describe the servers of these tests, and a watch
// that looks often.
const quick = "?poll=200ms&timeout=2s&server-cache=0&eviction=200ms&self-preservation=false"

func harness(name string, srv *servers.Eureka) adsumtest.Harness {
	base := strings.TrimPrefix(srv.URLs()[0], "http://"+srv.Addr())
	raw := rawEureka{srv.URLs()[0]}
	return adsumtest.Harness{
		Registry: name,
		Open:     eureka.Open,
		URL: func(_ string, endpoints ...string) string {
			return "eureka+http://" + strings.Join(endpoints, ",") + base + quick
		},
		Endpoints: srv.Addrs(),
		Server:    srv,
		TTL:       3 * time.Second,
		NotApplicable: map[int]string{
			18: "everything is in memory: there is no backup to go back to, and a restart is a wipe (case 17)",
			19: "every answer is the complete set: there is no history to compact",
		},
		Malform: func(ctx context.Context, _, service string) error {
			return raw.post(ctx, service, `{"instance":{"instanceId":"broken","app":"`+strings.ToUpper(service)+`","hostName":"a b","ipAddr":"\u0007",
				"port":{"$":"70000","@enabled":"true"},"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}}}`)
		},
		ExpireLease: func(ctx context.Context, _, service, id string) error { // as Eureka's own eviction does
			return raw.do(ctx, http.MethodDelete, "/apps/"+service+"/"+service+":"+id, "")
		},
		Denied: func(t testing.TB, _ string) adsum.Registry {
			srv := sharedGuarded.server(t)
			return openURL(t, strings.Replace(srv.URLs()[0], "http://", "eureka+http://keeper:wrong@", 1)+quick)
		},
		Credentials: func(t testing.TB, _ string) adsumtest.Credentials {
			srv := sharedGuarded.server(t)
			file := filepath.Join(t.TempDir(), "password")
			set := func(password string) func() {
				return func() {
					if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
						t.Error(err)
					}
				}
			}
			set("secret")()
			return adsumtest.Credentials{
				Registry: openURL(t, "eureka+"+srv.URLs()[0]+quick+"&user=keeper&password-file="+file),
				Revoke:   set("wrong"),
				Restore:  set("secret"),
			}
		},
		TLS: func(t testing.TB, _ string) adsumtest.TLSClients {
			srv, ca := startTLS(t)
			client := ca.Client(t, "alice")
			mutual := "&cert-file=" + client.CertFile + "&key-file=" + client.KeyFile
			open := func(options string) adsum.Registry { return openURL(t, "eureka+"+srv.URLs()[0]+quick+options) }
			return adsumtest.TLSClients{
				Trusted:        open(mutual + "&ca-file=" + ca.File),
				WrongAuthority: open(mutual + "&ca-file=" + certs.NewAuthority(t).File),
				WrongName:      open(mutual + "&ca-file=" + ca.File + "&server-name=elsewhere.test"),
				NoCertificate:  open("&ca-file=" + ca.File),
			}
		},
		Clock: func(t testing.TB, _ string, now func() time.Time) adsum.Registry {
			r, err := eureka.New(srv.URLs(), eureka.Options{
				Poll: 200 * time.Millisecond, Timeout: 2 * time.Second, ServerCache: -1, Eviction: 200 * time.Millisecond,
				NoSelfPreservation: true, Now: now,
			})
			if err != nil {
				t.Fatal(err)
			}
			return r
		},
	}
}
