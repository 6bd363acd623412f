package health_test

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/health"
	"github.com/adsum-go/adsum/memory"
)

var _ health.Registration = (*adsum.Registration)(nil)

func TestACriticalInstanceIsWithdrawnInTimeAndBackAfterAPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quiet := adsum.WithLogger(slog.New(slog.DiscardHandler))
		registry := memory.NewServer().Client()
		dir := adsum.NewDirectory(registry, quiet)
		reg, err := adsum.Register(registry, adsum.Instance{Service: "book", Addr: "10.0.0.5:8080", Status: adsum.Starting},
			quiet, adsum.WithDeregisterCriticalAfter(30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := errors.Join(dir.Close(), reg.Close(t.Context()), registry.Close()); err != nil {
				t.Error(err)
			}
		}()
		probe := &switchable{err: errDown}
		start(t, steady(probe)).Attach(reg)

		view, err := dir.Open("book")
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		expect := func(after time.Duration, want string) {
			t.Helper()
			wait(after)
			got := "gone"
			if in, ok := view.Snapshot().Get("10.0.0.5:8080"); ok {
				got = describe(in.Status, in.Reason)
			}
			if got != want {
				t.Fatalf("after %v: %s, want %s", time.Since(epoch), got, want)
			}
		}
		expect(time.Second, "starting (app: down)")
		probe.set(nil)
		expect(time.Second, "passing")
		probe.set(errors.New("no database"))
		expect(4*time.Second, "critical (app: no database)")
		expect(25*time.Second, "critical (app: no database)")
		expect(10*time.Second, "gone")
		expect(time.Hour, "gone")
		probe.set(nil)
		expect(2*time.Second, "passing")
	})
}
