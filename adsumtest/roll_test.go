package adsumtest_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
)

// rollHost is a roll server behind a proxy, which can do to all its clients
// what happens to a process.
type rollHost struct {
	*rollServer
	front *adsumtest.Proxy
}

func (h rollHost) Kill() error   { h.front.Down(); return nil }
func (h rollHost) Start() error  { return h.front.Up() }
func (h rollHost) Freeze() error { h.front.Hang(); return nil }
func (h rollHost) Thaw() error   { h.front.Resume(); return nil }
func (h rollHost) Wipe() error   { h.reset(0, nil); return nil }

func startRoll(t testing.TB, token string) *rollServer {
	t.Helper()
	server := newRollServer(token)
	t.Cleanup(func() {
		server.reset(0, nil)
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

func mustOpenRoll(t testing.TB, rawURL string) adsum.Registry {
	t.Helper()
	registry, err := openRoll(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

func TestADriverForARegistryBehindANetworkConforms(t *testing.T) {
	server := startRoll(t, "")
	host := rollHost{server, adsumtest.NewProxy(t, server.addr())}
	adsumtest.Conformance(t, adsumtest.Harness{
		Registry: "roll, the registry of these tests",
		Open:     openRoll,
		URL: func(base string, endpoints ...string) string {
			return "roll://" + strings.Join(endpoints, ",") + "/" + base
		},
		Endpoints: []string{host.front.Addr()},
		Server:    host,
		Backup:    server.backup,
		ExpireLease: func(_ context.Context, base, service, id string) error {
			server.remove("/" + base + "/" + service + "/" + id)
			return nil
		},
		DeleteRecord: func(_ context.Context, base, service, id string) error {
			server.remove("/" + base + "/" + service + "/" + id)
			return nil
		},
		Malform: func(_ context.Context, base, service string) error {
			server.put(httptest.NewRecorder(), "/"+base+"/"+service+"/broken",
				rollRecord{value: json.RawMessage(`{"addr": 17}`), ttl: time.Minute})
			return nil
		},
		Denied: func(t testing.TB, base string) adsum.Registry {
			return mustOpenRoll(t, "roll://wrong@"+startRoll(t, "right").addr()+"/"+base)
		},
		Credentials: func(t testing.TB, base string) adsumtest.Credentials {
			guarded := startRoll(t, "right")
			return adsumtest.Credentials{
				Registry: mustOpenRoll(t, "roll://right@"+guarded.addr()+"/"+base),
				Revoke:   func() { guarded.setToken("another") },
				Restore:  func() { guarded.setToken("right") },
			}
		},
		NotApplicable: map[int]string{
			19: "every answer is the complete set: there is no history to compact",
			35: "no time of day enters a record: the server's sequence orders owners",
			36: "it speaks plain HTTP only",
		},
	})
}
