package scenarios

import (
	"fmt"
	"slices"
)

// worst is how much worse than before a ratio may be.
const worst = 1.15

// judged are those of ours that a target is about.
func (s Scenario) judged() (list []Contestant) {
	for _, t := range targets {
		if t.scenario == s.Key && !slices.ContainsFunc(list, func(c Contestant) bool { return c.Name == t.ours.Name }) {
			list = append(list, t.ours)
		}
	}
	return list
}

// compare says what got worse.
func compare(before, now Results) (worse []string) {
	for _, t := range targets {
		was, is := t.measure(before, before), t.measure(now, before)
		if is > max(was*worst, was+t.slack) {
			worse = append(worse, fmt.Sprintf("%s, %s of %s: %s, and was %s: find out why, or run make scenarios and say in the commit why that is right",
				t.scenario, t.what, t.ours.Name, t.write(is), t.write(was)))
		}
	}
	for _, s := range Scenarios {
		for _, c := range s.judged() {
			was, is := before[s.Key][c.Name], now[s.Key][c.Name]
			if is.P99 > worst*was.P99 || is.P999 > worst*was.P999 {
				worse = append(worse, fmt.Sprintf("%s, %s: p99 %.1f and p99.9 %.1f ms, were %.1f and %.1f: find out why, or run make scenarios and say in the commit why that is right",
					s.Key, c.Name, is.P99, is.P999, was.P99, was.P999))
			}
		}
	}
	return worse
}
