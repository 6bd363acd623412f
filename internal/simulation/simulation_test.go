package simulation

import (
	"flag"
	"fmt"
	"testing"

	"github.com/adsum-go/adsum/adsumtest"
)

var (
	seeds = flag.Int("seeds", 1000, "how many histories to play")
	seed  = flag.Uint64("seed", 0, "play only this one")
	steps = flag.Int("steps", 40, "events in a history")
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

// TestHistories plays many histories. After every step hold: generations
// rise; nothing vanishes from a snapshot that the last answer lists; no call
// goes to an address that no answer named. Whenever everything is mended:
// every living copy is registered and seen by every client, nobody else is,
// and of two owners of an id the younger stayed.
func TestHistories(t *testing.T) {
	if *seed != 0 {
		run(t, *seed, *steps)
		return
	}
	for s := range *seeds {
		t.Run(fmt.Sprint(s+1), func(t *testing.T) {
			t.Parallel()
			run(t, uint64(s+1), *steps)
		})
	}
}
