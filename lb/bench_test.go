package lb_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

var sizes = []int{10, 1000, 10_000}

// fleets are n copies that weigh the same, and n that do not.
var fleets = map[string]func(n int) []*adsum.Instance{"even": instances, "uneven": unevenly}

func unevenly(n int) []*adsum.Instance {
	list := instances(n)
	for i, in := range list {
		in.Weight = 1 + i*7%4
	}
	return list
}

// each runs a benchmark for every policy, number of copies, and kind of weights
// that make a difference to it.
func each(b *testing.B, bench func(b *testing.B, policy lb.Policy, instances []*adsum.Instance)) {
	for _, policy := range lb.Policies() {
		for _, weights := range []string{"even", "uneven"} {
			if weights == "uneven" && (policy == lb.RoundRobin || policy == lb.Random) {
				continue
			}
			for _, n := range sizes {
				b.Run(fmt.Sprintf("policy=%s/weights=%s/n=%d", policy.Name(), weights, n), func(b *testing.B) {
					bench(b, policy, fleets[weights](n))
				})
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	each(b, func(b *testing.B, policy lb.Policy, instances []*adsum.Instance) {
		balancer := balancing(policy, instances...)
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

// With a load in every answer, and probes that cost nothing.
func BenchmarkPickByLoad(b *testing.B) {
	for _, policy := range told() {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("policy=%s/n=%d", policy.Name(), n), func(b *testing.B) {
				balancer := lb.New(policy, lb.Options{Probe: func(*lb.Endpoint) bool { return true }})
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
	each(b, func(b *testing.B, policy lb.Policy, instances []*adsum.Instance) {
		balancer := balancing(policy, instances...)
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

// updating is what a change of the set costs, to and fro; statistics are kept.
func updating(b *testing.B, policy lb.Policy, before, after []*adsum.Instance) {
	balancer := balancing(policy, before...)
	one, other := snapshot(2, before...), snapshot(3, after...)
	b.ReportAllocs()
	for b.Loop() {
		balancer.Update(other)
		one, other = other, one
	}
}

// changed is a copy of the list in which the one in the middle is another.
func changed(list []*adsum.Instance, change func(in *adsum.Instance)) []*adsum.Instance {
	list = slices.Clone(list)
	in := *list[len(list)/2]
	change(&in)
	list[len(list)/2] = &in
	return list
}

// One endpoint of many changes its weight.
func BenchmarkUpdateWeight(b *testing.B) {
	each(b, func(b *testing.B, policy lb.Policy, instances []*adsum.Instance) {
		updating(b, policy, instances, changed(instances, func(in *adsum.Instance) { in.Weight = 3 }))
	})
}

// One endpoint of many may no longer be called.
func BenchmarkUpdateStatus(b *testing.B) {
	each(b, func(b *testing.B, policy lb.Policy, instances []*adsum.Instance) {
		updating(b, policy, instances, changed(instances, func(in *adsum.Instance) { in.Status = adsum.Critical }))
	})
}

// One endpoint of many leaves, and another comes.
func BenchmarkUpdateReplace(b *testing.B) {
	each(b, func(b *testing.B, policy lb.Policy, instances []*adsum.Instance) {
		updating(b, policy, instances, changed(instances, func(in *adsum.Instance) { in.ID += "x" }))
	})
}

// A pick by key, with its hash.
func BenchmarkPickByKey(b *testing.B) {
	for _, policy := range hashing() {
		for _, n := range sizes {
			b.Run(fmt.Sprintf("policy=%s/n=%d", policy.Name(), n), func(b *testing.B) {
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

func BenchmarkColdStart(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
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

func BenchmarkHedgedInTime(b *testing.B) {
	h := &lb.Hedge{}
	for range 100 {
		h.Observe(time.Second)
	}
	call := &lb.Call{Idempotent: true}
	try := func(context.Context, *lb.Call) (int, error) { return 0, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := lb.Hedged(b.Context(), h, call, try, nil); err != nil {
			b.Fatal(err)
		}
	}
}
