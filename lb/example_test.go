package lb_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// Heaviest is a policy of one's own: it sends every call to the endpoint of
// the highest weight, and to the next one where that was tried in vain.
type Heaviest struct{}

func (Heaviest) Name() string { return "heaviest" }

func (Heaviest) Build(_ *lb.Env, endpoints []*lb.Endpoint, _ lb.Picker) lb.Picker {
	return heaviestPicker(endpoints)
}

type heaviestPicker []*lb.Endpoint

func (p heaviestPicker) Pick(call *lb.Call) *lb.Endpoint {
	best := p[0]
	for _, ep := range p[1:] {
		if call.Avoids(best) || !call.Avoids(ep) && ep.Weight() > best.Weight() {
			best = ep
		}
	}
	return best
}

func ExamplePolicy() {
	b := lb.New(Heaviest{}, lb.Options{})
	b.Update(&adsum.Snapshot{Service: "book", Generation: 1, Instances: []*adsum.Instance{
		{ID: "a", Service: "book", Addr: "10.0.0.1:80", Weight: 1},
		{ID: "b", Service: "book", Addr: "10.0.0.2:80", Weight: 3},
		{ID: "c", Service: "book", Addr: "10.0.0.3:80", Weight: 2},
	}})
	call := &lb.Call{}
	for range 3 {
		picked, err := b.Pick(call)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(picked.Endpoint)
		picked.Done(lb.Outcome{Result: lb.Failure})
		call.Tried = append(call.Tried, picked.Endpoint)
	}
	// Output:
	// book/b (10.0.0.2:80)
	// book/c (10.0.0.3:80)
	// book/a (10.0.0.1:80)
}

func ExampleRetry_Do() {
	b := lb.New(lb.RoundRobin, lb.Options{Rand: func() uint64 { return 0 }})
	b.Update(&adsum.Snapshot{Service: "book", Generation: 1, Instances: []*adsum.Instance{
		{ID: "a", Service: "book", Addr: "10.0.0.1:80"},
		{ID: "b", Service: "book", Addr: "10.0.0.2:80"},
	}})
	refused := errors.New("connection refused")
	send := func(_ context.Context, addr string) error { // the transport
		if addr == "10.0.0.1:80" {
			return refused
		}
		fmt.Println("answered by", addr)
		return nil
	}

	ctx := context.Background()
	call := lb.NewCall(ctx)
	err := lb.Retry{Timeout: time.Second}.Do(ctx, call,
		func(ctx context.Context) error {
			picked, err := b.Pick(call)
			if err != nil {
				return err
			}
			err = send(ctx, picked.Endpoint.Addr())
			picked.Done(lb.Outcome{Result: lb.ResultOf(ctx, err)})
			return err
		},
		func(err error) lb.Verdict {
			if errors.Is(err, refused) {
				return lb.Verdict{Safety: lb.Always}
			}
			return lb.Verdict{Safety: lb.IfIdempotent}
		})
	fmt.Println("error:", err)
	// Output:
	// answered by 10.0.0.2:80
	// error: <nil>
}

func ExampleBalancer_Explain() {
	policy := lb.Routing{Policy: lb.RoundRobin, Filter: lb.Filter{Version: "2"}}
	b := lb.New(policy, lb.Options{Rand: func() uint64 { return 0 }})
	b.Update(&adsum.Snapshot{Service: "book", Generation: 1, Instances: []*adsum.Instance{
		{ID: "a", Service: "book", Addr: "10.0.0.1:80", Version: "1"},
		{ID: "b", Service: "book", Addr: "10.0.0.2:80", Version: "2", Status: adsum.Critical, Reason: "disk full"},
		{ID: "c", Service: "book", Addr: "10.0.0.3:80", Version: "2"},
	}})
	why := b.Explain(nil)
	fmt.Printf("%s, by %s: %s\n", why.Chosen, why.Policy, why.Rule)
	for _, c := range why.Candidates {
		fmt.Println(c.ID, c.Reason, c.Detail)
	}
	// Output:
	// c, by round_robin: the next in turn, by id
	// a filter version "1", not "2"
	// b status critical: disk full
	// c
}

func ExampleLive() {
	config, err := lb.ParseConfig([]byte(`{"policy": "round_robin", "retry": {"per_try": "500ms"}}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	live, err := lb.NewLive(config) // for WithConfig of any transport
	if err != nil {
		fmt.Println(err)
		return
	}
	config.Retry.Timeout = 400 * time.Millisecond
	fmt.Println(live.Set(config))
	config.Retry.Timeout = 2 * time.Second
	fmt.Println(live.Set(config), live.Config().Retry.Timeout)
	// Output:
	// bad balancing config: retry.per_try: 500ms leaves nothing of retry.timeout, 400ms, for another try
	// <nil> 2s
}
