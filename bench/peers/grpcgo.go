package peers

import (
	"time"

	orca "github.com/cncf/xds/go/xds/data/orca/v3"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/leastrequest"
	"google.golang.org/grpc/balancer/ringhash"
	"google.golang.org/grpc/balancer/roundrobin"
	"google.golang.org/grpc/balancer/weightedroundrobin"
)

func grpcGo() []Contender {
	return []Contender{
		viaGRPC("round_robin", "grpc-go", roundrobin.Name, `{}`),
		weightedByReports(),
		viaGRPC("least_request", "grpc-go", leastrequest.Name, `{}`),
		ringOfKeys(),
	}
}

// viaGRPC is a contender that is one of gRPC's registered balancers.
func viaGRPC(policy, library, name, config string) Contender {
	start := func(connect func(*channel) error) func(int) (Fleet, error) {
		return func(n int) (Fleet, error) {
			c, err := newChannel(name, config, n)
			if err != nil {
				return nil, err
			}
			return c, connect(c)
		}
	}
	return Contender{
		Policy:  policy,
		Library: library,
		Name:    library + " " + name,
		Open:    start((*channel).open),
		Connect: start((*channel).connect),
		Live:    liveGRPC(name, config),
	}
}

// weightedByReports is gRPC's weighted round robin, which takes the weights
// from what servers report of their load; without a report it is a plain round
// robin.
func weightedByReports() Contender {
	c := viaGRPC("weighted", "grpc-go", weightedroundrobin.Name, `{"blackoutPeriod": "0s", "weightUpdatePeriod": "0.1s"}`)
	c.Live = liveGRPC(weightedroundrobin.Name, `{"blackoutPeriod": "1s"}`)
	open := c.Open
	c.Open = func(n int) (Fleet, error) {
		fleet, err := open(n)
		if err != nil {
			return nil, err
		}
		if err := fleet.(*channel).reportLoads(n); err != nil {
			return nil, err
		}
		// The weights count from the next update of the schedule on.
		time.Sleep(250 * time.Millisecond)
		return fleet, nil
	}
	return c
}

// liveGRPC is one of gRPC's balancers under traffic.
func liveGRPC(name, config string) func(addrs []string) (Living, error) {
	return func(addrs []string) (Living, error) {
		c, err := newChannel(name, config, 1)
		if err != nil {
			return nil, err
		}
		c.List(addrs)
		return c, nil
	}
}

// reportLoads lets every endpoint report, by the ends of calls, a load that
// makes for its weight. Without weights the calls come by everybody.
func (c *channel) reportLoads(n int) error {
	rate := map[string]float64{}
	for i, addr := range addresses(n)[0] {
		rate[addr] = float64(100 * weight(i))
	}
	for range 2 * n {
		picked, err := c.pick(0)
		if err != nil {
			return err
		}
		load := &orca.OrcaLoadReport{ApplicationUtilization: 0.5, RpsFractional: rate[picked.SubConn.(*connection).addr]}
		picked.Done(balancer.DoneInfo{ServerLoad: load})
	}
	return nil
}

// ringOfKeys is gRPC's ring hash. It connects to an endpoint when a key first
// leads there, and its ring has 4096 places.
func ringOfKeys() Contender {
	c := viaGRPC("ring_hash", "grpc-go", ringhash.Name, `{"requestHashHeader": "`+keyHeader+`"}`)
	c.Limit = 4096
	c.Live = nil // it is about keys, not about load
	walk := func(start func(n int) (Fleet, error)) func(n int) (Fleet, error) {
		return func(n int) (Fleet, error) {
			fleet, err := start(n)
			if err != nil {
				return nil, err
			}
			return fleet, fleet.(*channel).walk()
		}
	}
	c.Open, c.Connect = walk(c.Open), walk(c.Connect)
	return c
}

// walk calls with every key until all of them find a connection.
func (c *channel) walk() error {
	for i := range contexts {
		for {
			c.settle()
			_, err := c.pick(i)
			if err == nil {
				break
			}
			if err != balancer.ErrNoSubConnAvailable {
				return err
			}
		}
	}
	return nil
}
