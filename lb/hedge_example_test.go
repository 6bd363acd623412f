package lb_test

import (
	"context"
	"fmt"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// The transports do this by their WithHedge; here is what they do.
func ExampleHedged() {
	b := lb.New(lb.RoundRobin, lb.Options{Rand: func() uint64 { return 0 }})
	defer b.Close()
	b.Update(&adsum.Snapshot{Service: "book", Generation: 1, Instances: []*adsum.Instance{
		{ID: "a", Service: "book", Addr: "10.0.0.1:80"},
		{ID: "b", Service: "book", Addr: "10.0.0.2:80"},
	}})
	hedge := &lb.Hedge{}
	for range 100 {
		hedge.Observe(10 * time.Millisecond) // as successful calls do by themselves
	}

	send := func(ctx context.Context, call *lb.Call) (string, error) { // the transport
		picked, err := b.Pick(call)
		if err != nil {
			return "", err
		}
		if picked.Endpoint.ID() == "a" { // which does not answer
			<-ctx.Done()
			err = ctx.Err()
		}
		picked.Done(lb.Outcome{Result: lb.ResultOf(ctx, err)})
		return "answered by " + picked.Endpoint.ID(), err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	answer, err := lb.Hedged(ctx, hedge, &lb.Call{Idempotent: true}, send, nil)
	fmt.Println(answer, err)
	fmt.Printf("%+v\n", hedge.Stats())
	// Output:
	// answered by b <nil>
	// {Sent:1 Won:1 Refused:0}
}
