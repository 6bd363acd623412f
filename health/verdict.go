package health

import (
	"time"

	"github.com/adsum-go/adsum"
)

// verdict is what one check's results amount to: rise and fall.
type verdict struct {
	check   Check
	status  adsum.Status
	reason  string // of a status other than passing; kept as it was when the status began
	since   time.Time
	against int // results in a row that speak against status
	history history
	stats   counts
}

func newVerdict(c Check, now time.Time) *verdict {
	return &verdict{check: c, status: adsum.Starting, reason: "no result yet", since: now, history: newHistory(c.History)}
}

// record takes one result in and reports whether status or reason changed.
func (v *verdict) record(r Result) bool {
	first := len(v.history.results) == 0
	v.history.add(r)
	v.stats.add(r)
	switch {
	case v.status == adsum.Starting && r.Err == nil:
		return v.become(adsum.Passing, "", r.Time.Add(r.Latency))
	case v.status == adsum.Starting && v.check.WarningOnly:
		// It must not keep the instance from starting.
		return v.become(adsum.Warning, r.Err.Error(), r.Time.Add(r.Latency))
	case v.status == adsum.Starting:
		// The first failure is shown; later ones are in the history.
		if first {
			v.reason = r.Err.Error()
		}
		return first
	case (r.Err == nil) == (v.status == adsum.Passing):
		v.against = 0
		return false
	}
	v.against++
	switch {
	case r.Err == nil && v.against >= v.check.Rise:
		return v.become(adsum.Passing, "", r.Time.Add(r.Latency))
	case r.Err != nil && v.against >= v.check.Fall && v.check.WarningOnly:
		return v.become(adsum.Warning, r.Err.Error(), r.Time.Add(r.Latency))
	case r.Err != nil && v.against >= v.check.Fall:
		return v.become(adsum.Critical, r.Err.Error(), r.Time.Add(r.Latency))
	}
	return false
}

func (v *verdict) become(status adsum.Status, reason string, now time.Time) bool {
	v.status, v.reason, v.since, v.against = status, reason, now, 0
	return true
}
