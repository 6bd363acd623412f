// Package peers drives the balancers of this library and of others in the
// same way: through the types and functions that their users, or their own
// transports, call.
package peers

import (
	"fmt"
	"slices"
	"testing"

	"github.com/adsum-go/adsum/lb/lbtest"
)

// A Contender is one policy of one library.
type Contender struct {
	Policy  string // in our words; those with the same are compared
	Library string // "adsum" for our own
	Name    string // what the library itself calls it
	// Limit is the largest number of endpoints it can serve, 0 if it has
	// none.
	Limit int
	// Open makes a balancer of n endpoints, all connected; the way there is
	// as short as the library allows.
	Open func(n int) (Fleet, error)
	// Connect is like Open, but the endpoints become connected one after
	// the other, as they do in life. It is nil for a library in which
	// connections are not the balancer's affair: then Open is the start.
	Connect func(n int) (Fleet, error)
	// Live makes a balancer for simulated traffic. It is nil for a library
	// that takes no part there.
	Live func(addrs []string) (Living, error)
}

// A Fleet is a balancer with all its endpoints.
type Fleet interface {
	// Calls picks an endpoint, and says that the call to it is over, again
	// and again. Each library has a loop of its own, so that there is
	// nothing between it and its balancer.
	Calls(pb *testing.PB)
	// Pick does so once, and returns the address.
	Pick() (string, error)
	Close()
}

// A Changing fleet takes one endpoint out and puts another one in; the next
// time the other way round. Replace returns when picks go by it.
type Changing interface{ Replace() error }

// Cold starts a balancer as in life.
func (c Contender) Cold(n int) (Fleet, error) {
	if c.Connect != nil {
		return c.Connect(n)
	}
	return c.Open(n)
}

// Serves reports whether the contender can take part with n endpoints.
func (c Contender) Serves(n int) bool { return c.Limit == 0 || n <= c.Limit }

// All returns every contender; those of one policy follow each other, ours
// first.
func All() []Contender {
	all := slices.Concat(adsum(), adsumKit(), goKit(), grpcGo(), goZero(), kratos(), kitex())
	var order []string
	for _, c := range all {
		if !slices.Contains(order, c.Policy) {
			order = append(order, c.Policy)
		}
	}
	slices.SortStableFunc(all, func(a, b Contender) int {
		return slices.Index(order, a.Policy) - slices.Index(order, b.Policy)
	})
	return all
}

// address is that of endpoint i; the one that replaces another has a number
// that no other has.
func address(i int) string { return lbtest.Address(i) }

// addresses are those of n endpoints, and the same with the middle one
// replaced.
func addresses(n int) [2][]string {
	before := make([]string, n)
	for i := range before {
		before[i] = address(i)
	}
	after := slices.Clone(before)
	after[n/2] = address(n)
	return [2][]string{before, after}
}

// weight is that of endpoint i where a policy goes by weights.
func weight(i int) int { return 1 + i%4 }

// keys are what hashing policies go by; their number is a power of two.
var keys = func() []string {
	list := make([]string, 1024)
	for i := range list {
		list[i] = fmt.Sprintf("user-%d", i)
	}
	return list
}()
