package scenarios

import (
	"slices"
	"time"

	"github.com/adsum-go/adsum/lb/lbtest"
)

// A Scenario is a situation in which the contestants are compared.
type Scenario struct {
	Key, Title, Text string
	World            func() lbtest.World
	Who              []Contestant
	// Calm is the same world when nothing happens, if that is to be
	// compared.
	Calm func() lbtest.World
	// Extra is a figure of its own, with its name and unit.
	Extra     func(r, calm lbtest.Report) float64
	ExtraName string
	// Changes is how many changes each client is told of; the CPU time
	// for one is measured then.
	Changes int
}

// Scenarios are all of them.
var Scenarios = []Scenario{
	{
		Key: "S1", Title: "Equal servers",
		Text: "100 clients, 100 servers, 70 % load.",
		Who:  oursAndEveryone,
		World: func() lbtest.World {
			return lbtest.World{Clients: 100, Servers: lbtest.Fleet(100, nil), Rate: 0.7 * lbtest.Full(100), Lasts: 6 * time.Second, Warm: 2 * time.Second}
		},
	},
	{
		Key: "S1e", Title: "Equal servers, equal requests",
		Text: `The same, but each request takes just 10 ms. Of the p99 above, 46 ms are that of
requests which need not wait; here what is above 10 ms is waiting, which is all that
a balancer can do something about.`,
		Who: slices.Concat(ourEverything, []Contestant{kitRoundRobin, grpcRoundRobin, grpcWeighted, kratosP2C}),
		World: func() lbtest.World {
			return lbtest.World{Clients: 100, Servers: lbtest.Fleet(100, nil), Rate: 0.7 * lbtest.Full(100), Lasts: 6 * time.Second, Warm: 2 * time.Second, Even: true}
		},
	},
	{
		Key: "S2", Title: "Half of the servers at half speed",
		Text: "40 clients, 40 servers, 70 % of what they bear together.",
		Who:  slices.Concat(ourEverything, []Contestant{prequalHedged}, everyPeer),
		World: func() lbtest.World {
			return crowd(40, 0.7*0.75, func(i int, s *lbtest.Server) {
				if i%2 == 0 {
					s.Slower = always(2)
				}
			})
		},
	},
	{
		Key: "S3", Title: "Antagonists",
		Text: "60 clients, 60 servers, each of which has 0.4 of its speed for 2.5 s out of 10 s, one after the other; 80 % of what they bear together.",
		Who: slices.Concat(ourEverything, []Contestant{
			standardHedged, subset.with("hedging at 95 %", hedging(0.95)), prequal.with("hedging at 99 %", hedging(0.99)),
		}, everyPeer),
		World: func() lbtest.World {
			return crowd(60, 0.8*0.85, func(i int, s *lbtest.Server) {
				offset := time.Duration(i*37%40) * 250 * time.Millisecond
				s.Slower = func(now time.Duration) float64 {
					if (now+offset)%(10*time.Second) < 2500*time.Millisecond {
						return 2.5
					}
					return 1
				}
			})
		},
	},
	{
		Key: "S4", Title: "One replica at a tenth of its speed",
		Text: "10 clients, 10 servers, 60 % load.",
		Who: slices.Concat(ourEssentials, []Contestant{
			c3, prequal, standardHedged, hedgedAt95,
		}, everyPeer),
		World: func() lbtest.World {
			return few(0.6, func(i int, s *lbtest.Server) {
				if i == 3 {
					s.Slower = always(10)
				}
			})
		},
	},
	{
		Key: "S5", Title: "A replica that fails at once",
		Text: "10 clients, 10 servers, one of which fails every request in half a millisecond; 50 % load.",
		Who:  slices.Concat(ourEssentials, []Contestant{c3, prequal, standardRetries}, everyPeer, []Contestant{kitWithRetry}),
		World: func() lbtest.World {
			return few(0.5, func(i int, s *lbtest.Server) { s.Fails = i == 3 })
		},
	},
	{
		Key: "S6", Title: "Rolling restart",
		Text: `10 clients, 10 servers, 60 % load. Every two seconds the next server is stopped at
once and is back after one second; the registry does not hear of it, as its TTL is
longer. Who keeps connections notices. Our lifecycle withdraws a copy first, waits
for the registry's news (100 ms here) and half a second, and lets it finish what it
has.`,
		Who: slices.Concat([]Contestant{
			standard, standardRetries, standardGently,
			roundRobin.with("retries, lifecycle", retries, gently),
		}, everyPeer, []Contestant{kitWithRetry}),
		World: func() lbtest.World {
			w := calm()
			w.Happens = restarts(atOnce)
			return w
		},
		Calm:      calm,
		Extra:     func(r, calm lbtest.Report) float64 { return float64(r.P99) / float64(calm.P99) },
		ExtraName: "p99 / that without restarts",
	},
	{
		Key: "S7", Title: "A zone goes black",
		Text: `10 clients, 12 servers in three zones, 50 % load. After 5 s the servers of one zone
take what they get and answer nothing any more, while their connections stay. The
registry drops them after its TTL of 15 s. Callers wait for a second.`,
		Who: slices.Concat([]Contestant{standard, standardRetries, leastRequest, c3, prequal}, everyPeer, []Contestant{kitWithRetry}),
		World: func() lbtest.World {
			return lbtest.World{
				Clients: 10, Servers: lbtest.Fleet(12, nil), Rate: 0.5 * lbtest.Full(12), Lasts: 22 * time.Second, Warm: 2 * time.Second,
				Happens: []lbtest.Happening{{At: 5 * time.Second, Do: func(r *lbtest.Run) {
					for i := range 4 {
						r.Freeze(i)
					}
					r.List(15*time.Second, []int{4, 5, 6, 7, 8, 9, 10, 11})
				}}},
			}
		},
		Extra: func(r, _ lbtest.Report) float64 {
			const from, to = 6 * time.Second, 20 * time.Second
			n := 0
			for _, f := range r.Failed {
				if f.Began >= from && f.Began < to {
					n++
				}
			}
			return 100 * float64(n) / (0.5 * lbtest.Full(12) * (to - from).Seconds())
		},
		ExtraName: "errors from 1 s after it on, %",
	},
	{
		Key: "S8", Title: "Retry storm",
		Text: `10 clients, 10 servers, 80 % load; for five seconds the servers have 0.6 of their
speed. Callers wait for 200 ms, and call three times.`,
		Who: []Contestant{standardRetries, roundRobin.with("retries", retries), roundRobin.with("three tries", tries), kitWithRetry,
			kratosP2C.with("three tries", tries), goZero.with("three tries", tries)},
		World: func() lbtest.World {
			w := few(0.8, func(_ int, s *lbtest.Server) {
				s.Slower = func(now time.Duration) float64 {
					if now >= dip && now < dipOver {
						return 1 / 0.6
					}
					return 1
				}
			})
			w.Patience, w.Warm, w.Lasts = 200*time.Millisecond, time.Second, 25*time.Second
			return w
		},
		Extra: func(r, _ lbtest.Report) float64 {
			last := dipOver
			for _, f := range r.Failed {
				last = max(last, f.Ended)
			}
			return (last - dipOver).Seconds()
		},
		ExtraName: "last error after the dip, s",
	},
	{
		Key: "S9", Title: "Pauses",
		Text: "10 clients, 10 servers, each of which pauses for 100 ms every ten seconds, one after the other; 40 % load.",
		Who: slices.Concat(ourEssentials, []Contestant{
			c3, prequal, standardHedged, hedgedAt98, hedgedAt95,
		}, everyPeer),
		World: func() lbtest.World {
			w := few(0.4, func(i int, s *lbtest.Server) {
				s.Pause = func(now time.Duration) time.Duration {
					since := (now + time.Duration(i)*time.Second) % (10 * time.Second)
					return max(100*time.Millisecond-since, 0)
				}
			})
			w.Lasts = 40 * time.Second
			return w
		},
	},
	{
		Key: "S10", Title: "10 000 instances that come and go",
		Text: `4 clients, 10 000 servers, 4000 calls a second, and 100 changes a second: one server
is withdrawn and stops 600 ms later, or one comes back. grpc-go's balancers and
go-zero's take no part: with 10 000 endpoints they need minutes to start, see
[Performance](performance.md#a-cold-start).`,
		Who: []Contestant{standard, roundRobin, kitRoundRobin, kratosP2C},
		World: func() lbtest.World {
			w := quietThousands()
			w.Happens = []lbtest.Happening{{At: time.Second, Do: churn}}
			return w
		},
		Calm:    quietThousands,
		Changes: churns,
	},
}

const dip, dipOver = 5 * time.Second, 10 * time.Second

func always(by float64) func(time.Duration) float64 { return func(time.Duration) float64 { return by } }

// crowd is n clients and n servers, at a load relative to what they would bear if
// they were all well.
func crowd(n int, load float64, change func(i int, s *lbtest.Server)) lbtest.World {
	return lbtest.World{
		Clients: n, Servers: lbtest.Fleet(n, change), Rate: load * lbtest.Full(float64(n)), Lasts: 13 * time.Second, Warm: 3 * time.Second,
	}
}

// few is 10 and 10.
func few(load float64, change func(i int, s *lbtest.Server)) lbtest.World {
	return lbtest.World{Clients: 10, Servers: lbtest.Fleet(10, change), Rate: load * lbtest.Full(10), Lasts: 22 * time.Second, Warm: 2 * time.Second}
}

func calm() lbtest.World {
	w := few(0.6, nil)
	w.Lasts = 24 * time.Second
	return w
}

// restarts lets one server after the other go and come.
func restarts(how func(r *lbtest.Run, server int)) (list []lbtest.Happening) {
	for i := range 10 {
		list = append(list, lbtest.Happening{At: time.Duration(3+2*i) * time.Second, Do: func(r *lbtest.Run) { how(r, i) }})
	}
	return list
}

const away = time.Second

func atOnce(r *lbtest.Run, server int) {
	r.Stop(server)
	r.After(away, func() { r.Start(server) })
}

// gently is how servers restart that are run by our lifecycle.
func gently(w *lbtest.World) {
	const news, delay = 100 * time.Millisecond, 600 * time.Millisecond
	if w.Happens == nil {
		return
	}
	w.Happens = restarts(func(r *lbtest.Run, server int) {
		all := numbers(10)
		r.List(news, slices.Delete(slices.Clone(all), server, server+1))
		var stop func()
		stop = func() {
			if !r.Idle(server) {
				r.After(time.Millisecond, stop)
				return
			}
			r.Stop(server)
			r.After(away, func() {
				r.Start(server)
				r.List(news, all)
			})
		}
		r.After(delay, stop)
	})
}

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func quietThousands() lbtest.World {
	return lbtest.World{Clients: 4, Servers: lbtest.Fleet(10_000, nil), Rate: 4000, Lasts: 5 * time.Second, Warm: time.Second}
}

const churns = 200

// churn withdraws a server every 20 ms, which is back a little later.
func churn(r *lbtest.Run) {
	listed := numbers(10_000)
	list := func(server int, there bool) {
		at, found := slices.BinarySearch(listed, server)
		switch {
		case there && !found:
			listed = slices.Insert(listed, at, server)
		case !there && found:
			listed = slices.Delete(listed, at, at+1)
		}
		r.List(0, listed)
	}
	for n := range churns / 2 {
		server, at := n*97, time.Duration(n)*20*time.Millisecond
		r.After(at, func() { list(server, false) })
		r.After(at+600*time.Millisecond, func() { r.Stop(server) })
		r.After(at+900*time.Millisecond, func() { r.Start(server) })
		r.After(at+1210*time.Millisecond, func() { list(server, true) })
	}
}
