package lb

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSlotsRepeatEveryIndexByItsWeight(t *testing.T) {
	for _, weights := range [][]float32{
		{1, 2, 3, 4, 5}, {100, 100, 300}, {4}, {7, 7}, {1, 30, 1, 1, 1, 1, 1, 1, 1, 1}, {65535, 65535},
		{600, 900, 300}, {10, 1, 1, 1, 1}, {0.5 * 4, 2, 6},
	} {
		got, mean := newSlots(weights)
		if want := meanOf(weights); math.Abs(mean-want) > 1e-9*want {
			t.Errorf("%v: mean %v, want %v", weights, mean, want)
		}
		counts := make([]float32, len(weights))
		for _, i := range got {
			counts[i]++
		}
		for i, w := range weights {
			if counts[i] == 0 || counts[i]*weights[0] != counts[0]*w {
				t.Errorf("%v: index %d has %v slots, index 0 %v", weights, i, counts[i], counts[0])
			}
		}
	}
}

func TestThereAreNoSlotsWhereThereWouldBeTooMany(t *testing.T) {
	for _, weights := range [][]float32{
		{0.5, 1}, {1, 65535}, {1, 1 << 20}, {3, math.MaxFloat32}, make([]float32, math.MaxUint16+2),
	} {
		if got, _ := newSlots(weights); got != nil {
			t.Errorf("%v…: %d slots", weights[:2], len(got))
		}
	}
}

// Every weight is kept to, however it is drawn.
func TestChoicesFollowTheWeights(t *testing.T) {
	for name, unit := range map[string]float32{"slots": 1, "alias": 1.01} {
		t.Run(name, func(t *testing.T) {
			endpoints := make([]*Endpoint, 5)
			for i := range endpoints {
				endpoints[i] = &Endpoint{}
				endpoints[i].weigh(float32(1+i) * unit)
			}
			c := newChoices(newEnv(Options{Rand: rand.New(rand.NewPCG(1, 2)).Uint64}), endpoints)
			if (c.slots == nil) != (unit != 1) || c.even {
				t.Fatalf("slots %v", c.slots)
			}
			const calls = 150_000
			first, second := map[*Endpoint]float64{}, map[*Endpoint]float64{}
			for range calls {
				a, b := c.two()
				if a == b {
					t.Fatal("the same twice")
				}
				first[a]++
				second[b]++
			}
			for i, ep := range endpoints {
				if want := float64(1+i) / 15 * calls; math.Abs(first[ep]-want) > 0.05*want {
					t.Errorf("endpoint %d was the first %v times, want %v", i, first[ep], want)
				}
				if want := (1 - float64(1+i)/15) / 4 * calls; math.Abs(second[ep]-want) > 0.05*want {
					t.Errorf("endpoint %d was the second %v times, want %v", i, second[ep], want)
				}
				if got, want := c.share(ep), float64(1+i)/3; math.Abs(got-want) > 1e-6 {
					t.Errorf("endpoint %d has a share of %v, want %v", i, got, want)
				}
			}
		})
	}
}
