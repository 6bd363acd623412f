package term

// Style is the colour a piece of text is shown in, where colours are wanted.
type Style string

// The few styles in use. Each also makes sense without a colour.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Paint wraps text in the style, or returns it as it is where colours are
// not wanted.
func (s Style) Paint(text string, colours bool) string {
	if s == Plain || !colours || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
