package behaviour_test

import (
	"context"
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// tellingLoads are the transports that read what servers tell, in each form that it has.
var tellingLoads = append(transports[:len(transports):len(transports)], kitOverGRPC)

// hearing is round robin that hands on what servers tell of their load.
type hearing struct{ told chan lb.Load }

func (hearing) Name() string      { return "hearing" }
func (hearing) Needs() lb.Signals { return lb.Loads }
func (p hearing) Build(env *lb.Env, eps []*lb.Endpoint, before lb.Picker) lb.Picker {
	return hearingPicker{lb.RoundRobin.Build(env, eps, nil), p.told}
}

type hearingPicker struct {
	lb.Picker
	told chan lb.Load
}

func (hearingPicker) Done(*lb.Endpoint, lb.Outcome) {}

func (p hearingPicker) Loaded(_ *lb.Endpoint, load lb.Load) {
	select {
	case p.told <- load:
	default: // more than a test asks for
	}
}

func TestWhatAServerTellsOfItsLoadReachesThePolicy(t *testing.T) {
	told := make(chan lb.Load, 100)
	over(t, tellingLoads, manner{policy: hearing{told}}, 1, func(s *scene) {
		for range 3 {
			defer s.copies[0].meter.Begin().Done(true)
		}
		for _, r := range []result{answered, notFound, unavailable} {
			if r != answered && s.transport.name == kitOverGRPC.name {
				continue // go-kit hands on no trailers with an error
			}
			for len(told) > 0 { // from before
				<-told
			}
			s.copies[0].behave(answers(r))
			ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
			_, err := s.call(ctx, false)
			if got := resultOf(err); got != r {
				s.Errorf("%s, want %s", got, r)
			}
			select {
			case l := <-told:
				if !l.Known || l.InFlight != 3 {
					s.Errorf("told with %q: %+v, want 3 calls in flight", r, l)
				}
			case <-ctx.Done():
				s.Errorf("%s: not told", r)
			}
			cancel()
		}
	})
}
