package memory_test

import (
	"context"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/memory"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

func TestConformance(t *testing.T) {
	server := memory.NewServer()
	client := func() *adsumtest.Client {
		c := server.Client()
		return &adsumtest.Client{Registry: c, Cut: c.Cut, Heal: c.Heal, Freeze: c.Freeze, Thaw: c.Thaw}
	}
	adsumtest.Conformance(t, adsumtest.Harness{
		Registry: "in process",
		Connect:  func(testing.TB, string) *adsumtest.Client { return client() },
		Server:   process{server},
		Backup: func() (func() error, error) {
			backup := server.Backup()
			return func() error { server.Restore(backup); return nil }, nil
		},
		Compact: func(context.Context) error { server.BreakWatches(); return nil },
		ExpireLease: func(_ context.Context, _, service, id string) error {
			return server.ExpireLease(service, id)
		},
		Malform: func(_ context.Context, _, service string) error {
			server.PutBroken(service, "garbage")
			return nil
		},
		Crash: func(t testing.TB, _ string, in adsum.Instance, ttl time.Duration) func() {
			c := server.Client()
			reg, err := adsum.Register(c, in, adsum.WithTTL(ttl))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				c.Heal() // by then another may own the id; the dead one must not take it back
				_ = reg.Close(context.Background())
			})
			if _, err := reg.Wait(context.Background(), func(s adsum.RegistrationState) bool { return s.Registered }); err != nil {
				t.Fatal(err)
			}
			return c.Cut
		},
		Denied: func(testing.TB, string) adsum.Registry {
			denied := memory.NewServer()
			denied.Deny()
			return denied.Client()
		},
		Credentials: func(testing.TB, string) adsumtest.Credentials {
			guarded := memory.NewServer()
			return adsumtest.Credentials{Registry: guarded.Client(), Revoke: guarded.Deny, Restore: guarded.Allow}
		},
		NotApplicable: map[int]string{
			23: "one server, and no network between it and its clients",
			35: "no time of day enters a record: owners are ordered by the server's sequence, leases by a monotonic clock",
			36: "no network, so nothing to encrypt",
		},
	})
}

// process is a memory server under the control of the suite.
type process struct{ server *memory.Server }

func (p process) Kill() error   { p.server.Down(); return nil }
func (p process) Start() error  { p.server.Up(); return nil }
func (p process) Freeze() error { p.server.Freeze(); return nil }
func (p process) Thaw() error   { p.server.Thaw(); return nil }
func (p process) Wipe() error   { p.server.Wipe(); return nil }
