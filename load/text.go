package load

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/adsum-go/adsum/lb"
)

// Header is the header of an HTTP answer in which a report is sent.
const Header = "Endpoint-Load-Metrics"

// AppendText appends the report in the form that a [Header] has, as Envoy reads
// it: TEXT and a list of name=value.
func (r *Report) AppendText(b []byte) []byte {
	b = append(b, "TEXT "...)
	first := true
	for _, m := range r.metrics() {
		if !m.said() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		if m.field == fieldNamed {
			b = append(b, named...)
		}
		b = append(b, m.name...)
		b = append(b, '=')
		b = strconv.AppendFloat(b, m.value, 'g', 6, 64)
	}
	return b
}

const named = "named_metrics."

// maxText bounds what is read of a header.
const maxText = 4 << 10

// ParseText reads the value of a [Header]: TEXT and a list, as all versions of
// Envoy have it, JSON and an object, or BIN and base64. TEXT, which is what
// adsum sends, is read without allocating. It fails with an error wrapping
// [ErrMalformed].
func ParseText(value string) (Report, error) {
	if len(value) > maxText {
		return Report{}, fmt.Errorf("%w: it has %d bytes, more than %d", ErrMalformed, len(value), maxText)
	}
	format, rest, found := strings.Cut(value, " ")
	switch {
	case found && format == "JSON":
		return parseJSON(rest)
	case found && format == "BIN":
		message, err := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
		if err != nil {
			return Report{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return ParseBinary(string(message))
	case found && format == "TEXT":
		value = rest
	}
	return parseList(value)
}

// OfHeader is the load that the values of a [Header] tell; not known if there is not
// exactly one, or it is no report.
func OfHeader(values []string) lb.Load { return only(values, ParseText) }

// only parses the one value there is. Who sent another number of them, or what is no
// report, knows no better, and is no reason to fail a call.
func only(values []string, parse func(string) (Report, error)) lb.Load {
	if len(values) != 1 {
		return lb.Load{}
	}
	r, err := parse(values[0])
	if err != nil {
		return lb.Load{}
	}
	return r.Load
}

func parseList(list string) (Report, error) {
	var r Report
	for list != "" {
		var item string
		item, list, _ = strings.Cut(list, ",")
		at := strings.IndexAny(item, "=:") // older ones have a colon
		if at < 0 {
			return Report{}, fmt.Errorf("%w: a metric without a value", ErrMalformed)
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(item[at+1:]), 64)
		if err != nil {
			return Report{}, fmt.Errorf("%w: a metric that is no number", ErrMalformed)
		}
		r.setNamed(strings.TrimSpace(item[:at]), value)
	}
	return r, nil
}

// setNamed takes in a number by the name that it has in text.
func (r *Report) setNamed(name string, value float64) {
	if metric, ok := strings.CutPrefix(name, named); ok {
		r.set(fieldNamed, metric, value)
		return
	}
	for _, m := range (&Report{}).metrics() {
		if m.name == name && m.field != fieldNamed {
			r.set(m.field, "", value)
		}
	}
}

func parseJSON(text string) (Report, error) {
	var message map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &message); err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var r Report
	for name, raw := range message {
		name = snake(name)
		if name == "named_metrics" {
			var metrics map[string]float64
			if err := json.Unmarshal(raw, &metrics); err != nil {
				return Report{}, fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			for metric, value := range metrics {
				r.set(fieldNamed, metric, value)
			}
			continue
		}
		var value float64
		if json.Unmarshal(raw, &value) == nil {
			r.setNamed(name, value)
		}
	}
	return r, nil
}

// snake is how a field is called in the message's definition; JSON may have it
// in either form.
func snake(camel string) string {
	var b strings.Builder
	for _, c := range camel {
		if 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
