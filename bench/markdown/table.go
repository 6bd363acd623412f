// Package markdown writes what was measured.
package markdown

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Table is rows of cells, the first row being the heading.
type Table [][]string

// String writes it as Markdown that can be read as it is.
func (t Table) String() string {
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

// WithoutEmptyColumns drops what was not measured at all.
func (t Table) WithoutEmptyColumns() Table {
	for j := len(t[0]) - 1; j > 0; j-- {
		if !slices.ContainsFunc(t[1:], func(row []string) bool { return row[j] != "" }) {
			for i := range t {
				t[i] = slices.Delete(t[i], j, j+1)
			}
		}
	}
	return t
}
