package term

import (
	"io"
	"strings"
	"unicode"
)

// Cell is one field of a table. Its text is cleaned when it is written.
type Cell struct {
	Text  string
	Style Style
}

// Table lays rows out in columns of the same width.
type Table struct {
	Header []string
	Rows   [][]Cell
	// OmitEmpty drops columns in which no row says anything.
	OmitEmpty bool
}

// Row adds a row of plain cells.
func (t *Table) Row(texts ...string) {
	row := make([]Cell, len(texts))
	for i, text := range texts {
		row[i] = Cell{Text: text}
	}
	t.Rows = append(t.Rows, row)
}

// Write writes the table, two spaces between its columns.
func (t *Table) Write(w io.Writer, colours bool) error {
	widths := t.widths()
	header := make([]Cell, len(t.Header))
	for i, text := range t.Header {
		header[i] = Cell{text, Bold}
	}
	var b strings.Builder
	for _, row := range append([][]Cell{header}, t.Rows...) {
		var line strings.Builder
		gap := 0
		for i, cell := range row {
			if widths[i] == 0 {
				continue
			}
			text := Clean(cell.Text)
			line.WriteString(strings.Repeat(" ", gap))
			line.WriteString(cell.Style.Paint(text, colours))
			gap = widths[i] - width(text) + 2
		}
		b.WriteString(line.String() + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) widths() []int {
	widths := make([]int, len(t.Header))
	for _, row := range t.Rows {
		for i, cell := range row {
			widths[i] = max(widths[i], width(Clean(cell.Text)))
		}
	}
	for i, text := range t.Header {
		if widths[i] > 0 || !t.OmitEmpty {
			widths[i] = max(widths[i], width(text))
		}
	}
	return widths
}

// width is how many columns of a terminal the text takes: two for the
// characters of East Asian scripts, none for marks that join the one before.
func width(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me):
		case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana), 0xff01 <= r && r <= 0xff60, 0x3000 <= r && r <= 0x303f:
			n += 2
		default:
			n++
		}
	}
	return n
}
