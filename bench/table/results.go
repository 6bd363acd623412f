package main

import (
	"slices"
	"strconv"
	"strings"
)

// results are what was measured: for each benchmark and unit, one value of
// each round.
type results map[key][]float64

type key struct{ bench, unit string }

// add takes in the output of one round.
func (r results) add(output string) {
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		bench := strings.TrimPrefix(fields[0], "Benchmark")
		for i := 2; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				k := key{bench, fields[i+1]}
				r[k] = append(r[k], value)
			}
		}
	}
}

// median of all rounds; false if it was not measured.
func (r results) median(k key) (float64, bool) { return median(r[k]) }

// best is the least of all rounds: what else the machine does only adds.
func (r results) best(k key) (float64, bool) {
	if len(r[k]) == 0 {
		return 0, false
	}
	return slices.Min(r[k]), true
}

// bestRatio compares the best rounds of two.
func (r results) bestRatio(a, b key) (float64, bool) {
	first, ok := r.best(a)
	second, known := r.best(b)
	return first / second, ok && known
}

// ratio is the median, over the rounds in which both were measured, of the
// first by the second.
func (r results) ratio(a, b key) (float64, bool) {
	n := min(len(r[a]), len(r[b]))
	ratios := make([]float64, n)
	for i := range ratios {
		ratios[i] = r[a][i] / r[b][i]
	}
	return median(ratios)
}

func median(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2, true
}
