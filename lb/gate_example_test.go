package lb_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lb"
)

// Two calls at a time to each of two copies, and the fifth is refused at once.
func ExampleLimit() {
	b := lb.New(lb.Routing{Policy: lb.RoundRobin, Limit: lb.Limit{Max: 2}}, lb.Options{})
	defer b.Close()
	b.Update(&adsum.Snapshot{Service: "book", Generation: 1, Instances: []*adsum.Instance{
		{ID: "a", Service: "book", Addr: "10.0.0.1:80"},
		{ID: "b", Service: "book", Addr: "10.0.0.2:80"},
	}})
	var underWay []lb.Picked
	for {
		picked, err := b.Pick(nil)
		if err != nil {
			fmt.Println(errors.Is(err, lb.ErrLimited), err)
			break
		}
		underWay = append(underWay, picked)
	}
	underWay[0].Done(lb.Outcome{})
	_, err := b.Pick(nil)
	fmt.Println(len(underWay), "were under way; when one has ended:", err)
	// Output:
	// true no endpoint may be called now: of book's endpoints 2 have as many calls under way as they may, and 0 an open circuit; the call was not sent
	// 4 were under way; when one has ended: <nil>
}

// A copy that fails half of its calls gets none for a while.
func ExampleCircuit() {
	circuit := lb.Circuit{Failures: 0.5, Calls: 4, Open: time.Minute}
	b := lb.New(lb.Routing{Policy: lb.RoundRobin, NoEjection: true, Circuit: circuit}, lb.Options{})
	defer b.Close()
	b.Update(&adsum.Snapshot{Service: "book", Generation: 1, Instances: []*adsum.Instance{
		{ID: "a", Service: "book", Addr: "10.0.0.1:80"},
		{ID: "b", Service: "book", Addr: "10.0.0.2:80"},
	}})
	calls := map[string]int{}
	for range 20 {
		picked, err := b.Pick(nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		calls[picked.Endpoint.ID()]++
		outcome := lb.Outcome{Result: lb.Success}
		if picked.Endpoint.ID() == "b" {
			outcome.Result = lb.Failure
		}
		picked.Done(outcome)
	}
	fmt.Println(calls)
	for _, c := range b.Explain(nil).Candidates {
		fmt.Printf("%s %q\n", c.ID, c.Reason)
	}
	// Output:
	// map[a:16 b:4]
	// a ""
	// b "circuit"
}
