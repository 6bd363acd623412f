package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// object is a JSON object whose values are not yet read.
type object map[string]json.RawMessage

func parseObject(value []byte) (object, error) {
	if err := checkDepth(value); err != nil {
		return nil, err
	}
	var o object
	if err := json.Unmarshal(value, &o); err != nil {
		return nil, jsonError(err)
	}
	return o, nil
}

// checkDepth bounds the nesting before anything recursive sees the value.
func checkDepth(value []byte) error {
	depth, inString := 0, false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("the JSON is nested deeper than %d", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// has reports whether the key is there, in any case, as encoding/json matches
// keys and so the programs that these formats come from.
func (o object) has(key string) bool {
	_, ok := o.get(key)
	return ok
}

func (o object) get(key string) (json.RawMessage, bool) {
	if raw, ok := o[key]; ok {
		return raw, true
	}
	for _, k := range slices.Sorted(maps.Keys(o)) {
		if strings.EqualFold(k, key) {
			return o[k], true
		}
	}
	return nil, false
}

// keys lists some of the keys, for an error.
func (o object) keys() string {
	sorted := slices.Sorted(maps.Keys(o))
	more := ""
	if len(sorted) > 6 {
		sorted, more = sorted[:6], ", …"
	}
	for i, k := range sorted {
		sorted[i] = quote(k)
	}
	return strings.Join(sorted, ", ") + more
}

// read fills target from the key; a missing key or null leaves it as it is.
func (o object) read(key string, target any) error {
	raw, ok := o.get(key)
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return fmt.Errorf("%q: %w", key, jsonError(err))
	}
	return nil
}

// jsonError keeps the position and drops the foreign text that the messages
// of encoding/json may hold.
func jsonError(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("not well-formed JSON at byte %d", syntax.Offset)
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("a JSON %s where a %s belongs", strings.Fields(wrong.Value)[0], wrong.Type)
	}
	return fmt.Errorf("not well-formed JSON: %s", quote(err.Error()))
}

// texts reads a JSON object as text by key: a string as it is, null as "",
// anything else as its JSON. Values other than objects, which some programs
// write as metadata, come under the key "metadata".
func texts(raw json.RawMessage) map[string]string {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var values map[string]json.RawMessage
	if json.Unmarshal(raw, &values) != nil {
		return map[string]string{"metadata": text(raw)}
	}
	m := make(map[string]string, len(values))
	for k, v := range values {
		m[k] = text(v)
	}
	return m
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil { // null leaves it empty
		return s
	}
	return string(raw)
}

// number reads a whole number, also one written as a string or with a
// fraction; what is no number is 0, which stands for the default.
type number int

func (n *number) UnmarshalJSON(raw []byte) error {
	f, err := strconv.ParseFloat(strings.TrimSpace(text(raw)), 64)
	if err != nil || f != f {
		f = 0
	}
	*n = number(min(max(f, 0), maxWeight))
	return nil
}
