package lb

import (
	"math"
	"testing"
	"time"
)

func TestAWindowOfNoCallsIsNotOver(t *testing.T) {
	var g Gradient
	for range gradientCalls {
		g.Observe(0, time.Millisecond, 100)
	}
	if g.window.over(time.Hour) {
		t.Error("a window that saw nothing is over")
	}
	g.look(time.Hour)
	if math.IsNaN(g.limit) || g.published.Load() == 0 {
		t.Errorf("limit %v, published %d", g.limit, g.published.Load())
	}
}
