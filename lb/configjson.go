package lb

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ParseConfig reads a config in JSON. Times are texts such as "250ms". Names
// that it does not know are refused, as are values that make no sense; the
// error names all of them ([Config.Validate]).
//
//	{
//	  "policy": "peak_ewma",
//	  "filter": {"tags": ["canary"], "version": "2", "metadata": {"tier": "gold"}},
//	  "subset": {"client": "web-1", "size": 20},
//	  "zone": "eu-1a",
//	  "slow_start": "30s",
//	  "ejection": {"consecutive": 5, "interval": "10s", "time": "30s", "max_time": "5m", "max_share": 0.5},
//	  "limit": {"max": 100, "adaptive": true, "initial": 20, "min": 4, "tolerance": 2},
//	  "circuit": {"failures": 0.5, "calls": 20, "window": "10s", "open": "5s", "trials": 3},
//	  "retry": {
//	    "max": 3, "timeout": "2s", "per_try": "500ms",
//	    "backoff": {"initial": "25ms", "max": "250ms", "multiplier": 2},
//	    "budget": {"ratio": 0.1, "per_second": 3}
//	  },
//	  "hedge": {"quantile": 0.95}
//	}
//
// Everything may be left out. "ejection": {"off": true} turns ejection off, and
// "hedge": {} turns hedging on.
func ParseConfig(text []byte) (Config, error) {
	var c Config
	var p problems
	root := newFields("", text, &p)
	root.text("policy", &c.Policy)
	if f := root.object("filter"); f != nil {
		f.texts("tags", &c.Filter.Tags)
		f.text("version", &c.Filter.Version)
		f.textMap("metadata", &c.Filter.Metadata)
		f.end()
	}
	if f := root.object("subset"); f != nil {
		f.text("client", &c.Subset.Client)
		f.whole("size", &c.Subset.Size)
		f.end()
	}
	root.text("zone", &c.Zone)
	root.duration("slow_start", &c.SlowStart)
	if f := root.object("ejection"); f != nil {
		f.truth("off", &c.NoEjection)
		f.whole("consecutive", &c.Ejection.Consecutive)
		f.duration("interval", &c.Ejection.Interval)
		f.duration("time", &c.Ejection.Time)
		f.duration("max_time", &c.Ejection.MaxTime)
		f.number("max_share", &c.Ejection.MaxShare)
		f.end()
	}
	if f := root.object("limit"); f != nil {
		f.whole("max", &c.Limit.Max)
		f.truth("adaptive", &c.Limit.Adaptive)
		f.whole("initial", &c.Limit.Initial)
		f.whole("min", &c.Limit.Min)
		f.number("tolerance", &c.Limit.Tolerance)
		f.end()
	}
	if f := root.object("circuit"); f != nil {
		f.number("failures", &c.Circuit.Failures)
		f.whole("calls", &c.Circuit.Calls)
		f.duration("window", &c.Circuit.Window)
		f.duration("open", &c.Circuit.Open)
		f.whole("trials", &c.Circuit.Trials)
		f.end()
	}
	parseRetry(root.object("retry"), &c.Retry)
	if f := root.object("hedge"); f != nil {
		c.Hedge = &HedgeConfig{}
		f.number("quantile", &c.Hedge.Quantile)
		f.end()
	}
	root.end()
	if err := p.err(); err != nil {
		return Config{}, err
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

func parseRetry(f *fields, r *RetryConfig) {
	if f == nil {
		return
	}
	f.whole("max", &r.Max)
	f.duration("timeout", &r.Timeout)
	f.duration("per_try", &r.PerTry)
	if b := f.object("backoff"); b != nil {
		b.duration("initial", &r.Backoff.Initial)
		b.duration("max", &r.Backoff.Max)
		b.number("multiplier", &r.Backoff.Multiplier)
		b.end()
	}
	if b := f.object("budget"); b != nil {
		b.number("ratio", &r.Budget.Ratio)
		b.whole("per_second", &r.Budget.PerSecond)
		b.end()
	}
	f.end()
}

// UnmarshalJSON is [ParseConfig].
func (c *Config) UnmarshalJSON(text []byte) error {
	parsed, err := ParseConfig(text)
	if err == nil {
		*c = parsed
	}
	return err
}

// MarshalJSON writes what differs from the zero value, as [ParseConfig] reads it.
func (c Config) MarshalJSON() ([]byte, error) {
	e, r := c.Ejection, c.Retry
	text := object{
		"policy": c.Policy,
		"filter": object{"tags": c.Filter.Tags, "version": c.Filter.Version, "metadata": c.Filter.Metadata},
		"subset": object{"client": c.Subset.Client, "size": c.Subset.Size},
		"zone":   c.Zone, "slow_start": c.SlowStart,
		"ejection": object{
			"off": c.NoEjection, "consecutive": e.Consecutive, "interval": e.Interval, "time": e.Time, "max_time": e.MaxTime, "max_share": e.MaxShare,
		},
		"limit": object{
			"max": c.Limit.Max, "adaptive": c.Limit.Adaptive, "initial": c.Limit.Initial, "min": c.Limit.Min, "tolerance": c.Limit.Tolerance,
		},
		"circuit": object{
			"failures": c.Circuit.Failures, "calls": c.Circuit.Calls, "window": c.Circuit.Window, "open": c.Circuit.Open, "trials": c.Circuit.Trials,
		},
		"retry": object{
			"max": r.Max, "timeout": r.Timeout, "per_try": r.PerTry,
			"backoff": object{"initial": r.Backoff.Initial, "max": r.Backoff.Max, "multiplier": r.Backoff.Multiplier},
			"budget":  object{"ratio": r.Budget.Ratio, "per_second": r.Budget.PerSecond},
		},
	}.withoutDefaults()
	if c.Hedge != nil {
		text["hedge"] = object{"quantile": c.Hedge.Quantile}.withoutDefaults()
	}
	return json.Marshal(text)
}

// object is written with its keys sorted.
type object map[string]any

// withoutDefaults leaves out what says nothing, and writes times as texts.
func (o object) withoutDefaults() object {
	kept := object{}
	for name, value := range o {
		var empty bool
		switch v := value.(type) {
		case object:
			inner := v.withoutDefaults()
			value, empty = inner, len(inner) == 0
		case time.Duration:
			value, empty = v.String(), v == 0
		case []string:
			empty = len(v) == 0
		case map[string]string:
			empty = len(v) == 0
		default:
			empty = v == "" || v == 0 || v == 0.0 || v == false
		}
		if !empty {
			kept[name] = value
		}
	}
	return kept
}

// fields are those of one JSON object, taken one after the other. What is wrong
// with them is added up.
type fields struct {
	path     string // of the object, with a dot behind it; "" for the whole
	left     map[string]json.RawMessage
	known    []string
	problems *problems
}

func newFields(path string, text []byte, p *problems) *fields {
	f := &fields{path: path, problems: p}
	if err := json.Unmarshal(text, &f.left); err != nil || f.left == nil {
		name := strings.TrimSuffix(path, ".")
		switch {
		case name != "":
			p.add(name, "%s is no object; write {…}", shown(text))
		case err != nil:
			p.add("config", "no JSON object: %v", err)
		default:
			p.add("config", "%s is no object; write {…}", shown(text))
		}
	}
	return f
}

// take returns the value of a field, and whether it is there.
func (f *fields) take(name string) (text json.RawMessage, there bool) {
	f.known = append(f.known, name)
	text, there = f.left[name]
	delete(f.left, name)
	return text, there
}

// decode puts a field of a simple type into its place.
func (f *fields) decode(name string, into any, want string) {
	text, there := f.take(name)
	if !there {
		return
	}
	if string(text) == "null" || json.Unmarshal(text, into) != nil {
		f.problems.add(f.path+name, "%s is no %s", shown(text), want)
	}
}

func (f *fields) text(name string, into *string) { f.decode(name, into, `text; write it in quotes`) }
func (f *fields) texts(name string, into *[]string) {
	f.decode(name, into, `list of texts; write ["…"]`)
}
func (f *fields) whole(name string, into *int)      { f.decode(name, into, `whole number`) }
func (f *fields) number(name string, into *float64) { f.decode(name, into, `number`) }
func (f *fields) truth(name string, into *bool)     { f.decode(name, into, `true or false`) }

func (f *fields) textMap(name string, into *map[string]string) {
	f.decode(name, into, `object of texts; write {"…": "…"}`)
}

func (f *fields) duration(name string, into *time.Duration) {
	text, there := f.take(name)
	if !there {
		return
	}
	var written string
	d, err := time.Duration(0), json.Unmarshal(text, &written)
	if err == nil {
		d, err = time.ParseDuration(written)
	}
	if err != nil {
		f.problems.add(f.path+name, `%s is no time; write one with its unit in quotes, such as "250ms" or "30s"`, shown(text))
		return
	}
	*into = d
}

// object returns the fields of an object within, nil if there is none.
func (f *fields) object(name string) *fields {
	text, there := f.take(name)
	if !there {
		return nil
	}
	return newFields(f.path+name+".", text, f.problems)
}

// end refuses what nobody took.
func (f *fields) end() {
	for _, name := range slices.Sorted(maps.Keys(f.left)) {
		hint := ""
		if name == "false" || name == "true" {
			hint = `; a name such as off is read as false in YAML, unless it is in quotes`
		}
		f.problems.add(f.path+name, "there is no such field; there are %s%s", strings.Join(f.known, ", "), hint)
	}
}

// shown is a value in an error, in short.
func shown(text []byte) string {
	const most = 40
	s := string(bytes.ToValidUTF8(text, []byte("?")))
	if len(s) > most {
		s = s[:most] + "…"
	}
	return fmt.Sprintf("%q", s)
}
