package scenarios

import "fmt"

// A target is a promise on one figure, made before the library was written.
// Where it is not kept, the reason stands beside it, with what was tried.
type target struct {
	scenario, what string
	ours           Contestant // whose figure it is
	of             func(Result) float64
	theirs         *Contestant // whom it is compared with, if anybody
	limit          float64
	write          func(float64) string
	reason         string
	// slack is so little that it does not count as worse.
	slack float64
}

func p99(r Result) float64      { return r.P99 }
func p999(r Result) float64     { return r.P999 }
func errorsOf(r Result) float64 { return r.Errors }
func sent(r Result) float64     { return r.Sent }
func extra(r Result) float64    { return r.Extra }

func times(v float64) string    { return fmt.Sprintf("%.2f ×", v) }
func tryCount(v float64) string { return fmt.Sprintf("%.3f", v) }
func percent(v float64) string  { return fmt.Sprintf("%.2g %%", v) }
func seconds(v float64) string  { return fmt.Sprintf("%.2g s", v) }

// measure returns the figure. Theirs are pinned, and need not be measured again
// to see whether ours got worse.
func (t target) measure(ours, theirs Results) float64 {
	v := t.of(ours[t.scenario][t.ours.Name])
	if t.theirs != nil {
		v /= t.of(theirs[t.scenario][t.theirs.Name])
	}
	return v
}

func (t target) kept(v float64) bool { return v <= t.limit }
