package bench_test

import (
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/adsum-go/adsum/bench/peers"
)

// BenchmarkReplace is one endpoint of n leaving and another coming, until
// picks go by it.
func BenchmarkReplace(b *testing.B) {
	shelf := &shelf{}
	defer shelf.close()
	each(b, changing(peers.All()), func(b *testing.B, c peers.Contender, n int) {
		fleet := shelf.fleet(b, c, n).(peers.Changing)
		b.ReportAllocs()
		for b.Loop() {
			if err := fleet.Replace(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// changing leaves out what only wraps another contender.
func changing(contenders []peers.Contender) []peers.Contender {
	return slices.DeleteFunc(contenders, func(c peers.Contender) bool { return c.Policy == "round_robin+retry" })
}

// BenchmarkColdStart is the CPU time, on all cores, from a list of addresses
// to picks from all of them, which become connected one after the other. CPU
// time, as waiting while changes are gathered costs nothing.
func BenchmarkColdStart(b *testing.B) {
	each(b, changing(peers.All()), func(b *testing.B, c peers.Contender, n int) {
		b.ReportAllocs()
		var spent time.Duration
		for b.Loop() {
			runtime.GC()
			begun := cpuTime(b)
			fleet, err := c.Cold(n)
			if err != nil {
				b.Fatal(err)
			}
			spent += cpuTime(b) - begun
			fleet.Close()
		}
		b.ReportMetric(0, "ns/op") // leaves it out
		b.ReportMetric(float64(spent)/float64(b.N), "cpu-ns/op")
	})
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
