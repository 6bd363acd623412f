package lb_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

var sizes = []int{10, 1000, 10_000}

func BenchmarkPick(b *testing.B) {
	for _, policy := range lb.Policies() {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", policy.Name(), n), func(b *testing.B) {
				balancer := lb.New(policy, lb.Options{})
				balancer.Update(snapshot(1, instances(n)...))
				b.ReportAllocs()
				for b.Loop() {
					picked, err := balancer.Pick(nil)
					if err != nil {
						b.Fatal(err)
					}
					picked.Done(lb.Outcome{})
				}
			})
		}
	}
}

// With a load in every answer, and probes that cost nothing.
func BenchmarkPickByLoad(b *testing.B) {
	for _, policy := range told() {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", policy.Name(), n), func(b *testing.B) {
				balancer := lb.New(policy, lb.Options{Probe: func(*lb.Endpoint) {}})
				balancer.Update(snapshot(1, instances(n)...))
				load := lb.Load{Known: true, InFlight: 3, Service: time.Millisecond}
				b.ReportAllocs()
				for b.Loop() {
					picked, err := balancer.Pick(nil)
					if err != nil {
						b.Fatal(err)
					}
					picked.Done(lb.Outcome{Load: load})
				}
			})
		}
	}
}

func BenchmarkPickParallel(b *testing.B) {
	for _, policy := range lb.Policies() {
		b.Run(policy.Name(), func(b *testing.B) {
			balancer := lb.New(policy, lb.Options{})
			balancer.Update(snapshot(1, instances(1000)...))
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					picked, err := balancer.Pick(nil)
					if err != nil {
						b.Error(err)
						return
					}
					picked.Done(lb.Outcome{})
				}
			})
		})
	}
}

// One endpoint of many changes its weight; statistics are kept.
func BenchmarkUpdateOne(b *testing.B) {
	for _, policy := range lb.Policies() {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", policy.Name(), n), func(b *testing.B) {
				balancer := lb.New(policy, lb.Options{Window: -1})
				before := instances(n)
				balancer.Update(snapshot(1, before...))
				changed := *before[n/2]
				changed.Weight = 7
				after := append([]*adsum.Instance(nil), before...)
				after[n/2] = &changed
				one, other := snapshot(2, before...), snapshot(3, after...)
				b.ReportAllocs()
				for b.Loop() {
					balancer.Update(other)
					one, other = other, one
				}
			})
		}
	}
}

// A pick by key, with its hash.
func BenchmarkPickByKey(b *testing.B) {
	for _, policy := range hashing() {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("%s/%d", policy.Name(), n), func(b *testing.B) {
				balancer := lb.New(policy, lb.Options{})
				balancer.Update(snapshot(1, instances(n)...))
				var calls [256]*lb.Call
				for i := range calls {
					calls[i] = &lb.Call{Key: fmt.Sprintf("user-%08d", i*7919)}
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					picked, err := balancer.Pick(calls[i%len(calls)])
					if err != nil {
						b.Fatal(err)
					}
					picked.Done(lb.Outcome{})
				}
			})
		}
	}
}

// One endpoint of many leaves and comes back.
func BenchmarkUpdateLeaveAndReturn(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			balancer := lb.New(lb.RoundRobin, lb.Options{Window: -1})
			all := instances(n)
			one, other := snapshot(1, all...), snapshot(2, slices.Delete(slices.Clone(all), n/2, n/2+1)...)
			balancer.Update(one)
			b.ReportAllocs()
			for b.Loop() {
				balancer.Update(other)
				one, other = other, one
			}
		})
	}
}

func BenchmarkColdStart(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := snapshot(1, instances(n)...)
			b.ReportAllocs()
			for b.Loop() {
				balancer := lb.New(lb.RoundRobin, lb.Options{})
				balancer.Update(s)
			}
		})
	}
}

// A pick of a balancer whose picks are recorded. Nearly all of these come faster
// than a hundred a second, and are not.
func BenchmarkPickRecorded(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			balancer := lb.New(lb.Routing{}, lb.Options{Inspector: &lb.Inspector{}})
			defer balancer.Close()
			balancer.Update(snapshot(1, instances(n)...))
			b.ReportAllocs()
			for b.Loop() {
				picked, err := balancer.Pick(nil)
				if err != nil {
					b.Fatal(err)
				}
				picked.Done(lb.Outcome{})
			}
		})
	}
}

// What one look at a pick costs.
func BenchmarkExplain(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			balancer := lb.New(lb.Routing{}, lb.Options{})
			balancer.Update(snapshot(1, instances(n)...))
			b.ReportAllocs()
			for b.Loop() {
				balancer.Explain(nil)
			}
		})
	}
}
