package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A table is rows of cells, the first row being the heading.
type table [][]string

// String writes it as Markdown that can be read as it is.
func (t table) String() string {
	width := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for i, row := range t {
		for j, cell := range row {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", width[j]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
		if i == 0 {
			for _, w := range width {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}

// withoutEmptyColumns drops what was not measured at all.
func (t table) withoutEmptyColumns() table {
	for j := len(t[0]) - 1; j > 0; j-- {
		if !slices.ContainsFunc(t[1:], func(row []string) bool { return row[j] != "" }) {
			for i := range t {
				t[i] = slices.Delete(t[i], j, j+1)
			}
		}
	}
	return t
}

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
