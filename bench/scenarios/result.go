package scenarios

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"time"

	"github.com/adsum-go/adsum/lb/lbtest"
)

// A Result is what a contestant came to in a scenario: the median of its runs.
// Times are in milliseconds, errors in per cent of the calls.
type Result struct {
	P50        float64 `json:"p50"`
	P99        float64 `json:"p99"`
	P999       float64 `json:"p99_9"`
	Errors     float64 `json:"errors"`
	MostLoaded float64 `json:"most_loaded"`
	Sent       float64 `json:"sent"`
	Extra      float64 `json:"extra"`
	// Change is the CPU time of one client for one change, in
	// microseconds; no two runs are alike in it.
	Change float64 `json:"change"`
	Runs   int     `json:"runs"`
	// Least and Most are the p99 of the best and the worst run.
	Least float64 `json:"p99_least"`
	Most  float64 `json:"p99_most"`
}

// Results are those of all contestants, by scenario and name.
type Results map[string]map[string]Result

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }

// of puts the runs of one contestant together; calms are those of the calm
// world, if there is one.
func (s Scenario) of(runs, calms []lbtest.Report, cpu []time.Duration) Result {
	var all []Result
	for i, r := range runs {
		one := Result{P50: ms(r.P50), P99: ms(r.P99), P999: ms(r.P999), Errors: 100 * r.Errors, MostLoaded: r.MostLoaded(), Sent: r.Sent}
		var calm lbtest.Report
		if s.Calm != nil {
			calm = calms[i]
		}
		if s.Extra != nil {
			one.Extra = s.Extra(r, calm)
		}
		if s.Changes > 0 {
			clients := s.World().Clients
			one.Change = cpu[i].Seconds() * 1e6 / float64(s.Changes*clients)
		}
		all = append(all, one)
	}
	median := func(of func(Result) float64) float64 {
		slices.SortFunc(all, func(a, b Result) int { return cmp.Compare(of(a), of(b)) })
		return of(all[len(all)/2])
	}
	result := Result{
		Runs:   len(runs),
		P50:    median(func(r Result) float64 { return r.P50 }),
		P999:   median(func(r Result) float64 { return r.P999 }),
		Errors: median(func(r Result) float64 { return r.Errors }), Sent: median(func(r Result) float64 { return r.Sent }),
		MostLoaded: median(func(r Result) float64 { return r.MostLoaded }),
		Extra:      median(func(r Result) float64 { return r.Extra }),
		Change:     median(func(r Result) float64 { return r.Change }),
		P99:        median(func(r Result) float64 { return r.P99 }),
	}
	result.Least, result.Most = all[0].P99, all[len(all)-1].P99
	return result
}

// Committed reads the results that were committed.
func Committed(name string) (Results, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var r Results
	return r, json.Unmarshal(data, &r)
}

// Write commits them.
func (r Results) Write(name string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}
