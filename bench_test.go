package adsum_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
)

// stream is a registry whose watch emits what it is handed.
type stream struct{ listings chan adsum.Listing }

func (s stream) Capabilities() adsum.Capabilities { return adsum.Capabilities{Registry: "stream:"} }
func (s stream) Close() error                     { return nil }
func (s stream) Register(context.Context, adsum.Instance, adsum.RegisterOptions) (adsum.Lease, error) {
	return nil, adsum.ErrUnsupported
}
func (s stream) Watch(ctx context.Context, _ string, emit func(adsum.Listing)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-s.listings:
			emit(l)
		}
	}
}

// BenchmarkOneChange measures from the driver's emit to the snapshot being
// published, with one instance of n changed: the Directory's whole work.
func BenchmarkOneChange(b *testing.B) {
	for _, n := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := stream{make(chan adsum.Listing)}
			dir := adsum.NewDirectory(s, quiet)
			defer dir.Close()
			view, err := dir.Open("book")
			if err != nil {
				b.Fatal(err)
			}
			defer view.Close()
			set := make([]*adsum.Instance, n)
			for i := range set {
				set[i] = copyOf(fmt.Sprintf("10.0.%d.%d:50051", i/250, i%250))
			}
			publish := func() {
				changed := view.Changed()
				s.listings <- adsum.Listing{Instances: append([]*adsum.Instance(nil), set...)}
				<-changed
			}
			publish()
			heavy := *set[n/2]
			heavy.Weight = 2
			variants := [2]*adsum.Instance{set[n/2], &heavy}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				b.StopTimer()
				time.Sleep(6 * time.Millisecond) // past the time in which changes are gathered
				i++
				set[n/2] = variants[i%2]
				b.StartTimer()
				publish()
			}
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	s := stream{make(chan adsum.Listing)}
	dir := adsum.NewDirectory(s, quiet)
	defer dir.Close()
	view, err := dir.Open("book")
	if err != nil {
		b.Fatal(err)
	}
	defer view.Close()
	b.ReportAllocs()
	for b.Loop() {
		if view.Snapshot() == nil {
			b.Fatal("nil")
		}
	}
}
