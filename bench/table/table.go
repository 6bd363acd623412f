package main

import (
	"fmt"

	"github.com/adsum-go/adsum/bench/markdown"
)

// table is what a question is answered by.
type table = markdown.Table

// cell is the best round, and how it compares with ours.
func (r results) cell(k, ours key) string {
	value, ok := r.best(k)
	if !ok {
		return ""
	}
	if k == ours {
		return nanoseconds(value)
	}
	ratio, ok := r.bestRatio(k, ours)
	if !ok {
		return nanoseconds(value)
	}
	return fmt.Sprintf("%s, %s", nanoseconds(value), times(ratio))
}

func nanoseconds(ns float64) string {
	switch {
	case ns >= 1e9:
		return digits(ns/1e9) + " s"
	case ns >= 1e6:
		return digits(ns/1e6) + " ms"
	case ns >= 1e3:
		return digits(ns/1e3) + " µs"
	}
	return digits(ns) + " ns"
}

func times(ratio float64) string { return digits(ratio) + " ×" }

// digits keeps the two or three that can be trusted.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
