//go:build unix

package following

import (
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
)

// Instances is how many the service "book" must have.
const Instances = 5000

const (
	changes   = 50
	quietTime = 10 * time.Second
	patience  = time.Minute
)

// Bench reports the time until a Directory knows the whole service "book", and
// what goes over the wire for that; the same for one change; and what it costs
// to follow the service while nothing happens. The registry is reached through
// the proxy; change gives the ith instance another version.
func Bench(b *testing.B, proxy *adsumtest.Proxy, r adsum.Registry, change func(i int, version string) error) {
	for b.Loop() {
		dir := adsum.NewDirectory(r, adsum.WithLogger(slog.New(slog.DiscardHandler)))
		view, err := dir.Open("book")
		if err != nil {
			b.Fatal(err)
		}
		began, before := time.Now(), proxy.Carried()
		await(b, view, func(s *adsum.Snapshot) bool { return len(s.Instances) == Instances })
		b.ReportMetric(time.Since(began).Seconds()*1e3, "ms/first")
		b.ReportMetric(float64(proxy.Carried()-before)/1024, "KiB/first")
		reportChanges(b, proxy, view, change)
		reportIdle(b, proxy)
		if err := dir.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func reportChanges(b *testing.B, proxy *adsumtest.Proxy, view *adsum.View, change func(int, string) error) {
	began, before := time.Now(), proxy.Carried()
	for i := range changes {
		generation := view.Snapshot().Generation
		if err := change(i, time.Now().Format("20060102-150405.000000000")); err != nil {
			b.Fatal(err)
		}
		await(b, view, func(s *adsum.Snapshot) bool { return s.Generation > generation })
	}
	b.ReportMetric(time.Since(began).Seconds()*1e3/changes, "ms/change")
	b.ReportMetric(float64(proxy.Carried()-before)/changes, "B/change")
}

func reportIdle(b *testing.B, proxy *adsumtest.Proxy) {
	before, used := proxy.Carried(), cpu()
	<-time.After(quietTime) // what is measured, not waited for
	b.ReportMetric(float64(cpu()-used)/float64(quietTime)*100, "%CPU-idle")
	b.ReportMetric(float64(proxy.Carried()-before)/quietTime.Seconds(), "B/s-idle")
}

func await(b *testing.B, view *adsum.View, enough func(*adsum.Snapshot) bool) {
	b.Helper()
	limit := time.After(patience)
	for {
		changed := view.Changed()
		if enough(view.Snapshot()) {
			return
		}
		select {
		case <-changed:
		case <-limit:
			b.Fatalf("still generation %d with %d instances, %v", view.Snapshot().Generation, len(view.Snapshot().Instances), view.Snapshot().Err)
		}
	}
}

// cpu is what this process used so far.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
