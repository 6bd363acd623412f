package lb_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
)

// whole sets every field, and nothing to its default.
var whole = lb.Config{
	Policy:    "least_request",
	Filter:    lb.Filter{Tags: []string{"canary"}, Version: "2", Metadata: map[string]string{"tier": "gold"}},
	Subset:    lb.Subset{Client: "web-1", Size: 20},
	Zone:      "eu-1a",
	SlowStart: 30 * time.Second,
	Ejection:  lb.Ejection{Consecutive: 3, Interval: 5 * time.Second, Time: 10 * time.Second, MaxTime: time.Minute, MaxShare: 0.3},
	Limit:     lb.Limit{Max: 50, Adaptive: true, Initial: 10, Min: 2, Tolerance: 3},
	Circuit:   lb.Circuit{Failures: 0.4, Calls: 10, Window: 5 * time.Second, Open: time.Second, Trials: 1},
	Retry: lb.RetryConfig{
		Max: 2, Timeout: 2 * time.Second, PerTry: 250 * time.Millisecond,
		Backoff: lb.Backoff{Initial: time.Millisecond, Max: 100 * time.Millisecond, Multiplier: 3},
		Budget:  lb.BudgetConfig{Ratio: 0.2, PerSecond: 1},
	},
	Hedge: &lb.HedgeConfig{Quantile: 0.99},
}

func TestAConfigIsTheSameInCodeAndInJSON(t *testing.T) {
	for name, c := range map[string]lb.Config{"whole": whole, "zero": {}, "hedging": {Hedge: &lb.HedgeConfig{}}, "no ejection": {NoEjection: true}} {
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back lb.Config
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, c) {
			t.Errorf("%s: %v\n%s became\n%+v", name, err, text, back)
		}
	}
	if text, _ := json.Marshal(lb.Config{}); string(text) != "{}" {
		t.Errorf("the zero value is %s", text)
	}
	if text, _ := json.Marshal(whole); !strings.Contains(string(text), `"per_try":"250ms"`) {
		t.Errorf("times are not texts: %s", text)
	}
}

func TestAnEmptyConfigIsTheDefault(t *testing.T) {
	c, err := lb.ParseConfig([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	routing, err := c.Routing()
	if err != nil || routing.Name() != "peak_ewma" || routing.NoEjection {
		t.Errorf("%+v, %v", routing, err)
	}
}

func TestEveryMistakeIsNamedWithWhatToDo(t *testing.T) {
	for text, wants := range map[string][]string{
		``:                      {"config: no JSON object"},
		`null`:                  {"config: \"null\" is no object"},
		`[]`:                    {"config: no JSON object"},
		`{"polcy": "random"}`:   {`polcy: there is no such field; there are policy, filter`},
		`{"policy": "best"}`:    {`policy: no policy is called "best"; there are round_robin`},
		`{"policy": 7}`:         {`policy: "7" is no text; write it in quotes`},
		`{"policy": null}`:      {`policy: "null" is no text`},
		`{"slow_start": 30}`:    {`slow_start: "30" is no time; write one with its unit in quotes`},
		`{"slow_start": "30"}`:  {`slow_start: "\"30\"" is no time`},
		`{"slow_start": "-1s"}`: {`slow_start: -1s is negative`},
		`{"retry": {"per_try": "2s", "timeout": "1s"}}`: {`retry.per_try: 2s leaves nothing of retry.timeout`},
		`{"retry": {"max": 100}}`:                       {`retry.max: 100 is not from 1 to 10`},
		`{"retry": {"max": 1.5}}`:                       {`retry.max: "1.5" is no whole number`},
		`{"retry": 3}`:                                  {`retry: "3" is no object; write {…}`},
		`{"retry": {"backoff": {"max": "1ms"}}}`:        {`retry.backoff.max: 1ms is less than retry.backoff.initial, 25ms`},
		`{"retry": {"backoff": {"multiplier": 0.5}}}`:   {`retry.backoff.multiplier: 0.5 is not from 1`},
		`{"retry": {"budget": {"ratio": 2, "per_second": -2}}}`: {
			`retry.budget.ratio: 2 is not from 0 to 1`, `retry.budget.per_second: -2 is less than -1`},
		`{"ejection": {"off": true, "consecutive": 3}}`: {`ejection.off: ejection is off and set`},
		`{"ejection": {"false": true}}`:                 {`ejection.false: there is no such field; there are off, `, `unless it is in quotes`},
		`{"ejection": {"time": "10m"}}`:                 {`ejection.max_time: 5m0s is less than ejection.time, 10m0s`},
		`{"ejection": {"max_share": 1.5, "consecutive": -1, "interval": "-1s"}}`: {
			`ejection.max_share: 1.5`, `ejection.consecutive: -1`, `ejection.interval: -1s`},
		`{"hedge": {"quantile": 1}}`:                                 {`hedge.quantile: 1 is not from 0.5`},
		`{"limit": {"min": 5}}`:                                      {"limit.adaptive: initial, min and tolerance are for"},
		`{"limit": {"max": -1, "adaptive": true, "tolerance": 0.5}}`: {"limit.max: -1", "limit.tolerance: 0.5"},
		`{"circuit": {"open": "1s"}}`:                                {"circuit.failures: without it the circuit is off"},
		`{"circuit": {"failures": 2, "calls": -1, "window": "-1s", "trials": -1}}`: {
			"circuit.failures: 2", "circuit.calls: -1", "circuit.window: -1s", "circuit.trials: -1"},
		`{"subset": {"size": -1}}`:                            {`subset.size: -1 is negative`},
		`{"filter": {"tags": "a", "metadata": {"a": 1}}}`:     {`filter.tags: "\"a\"" is no list of texts`, `filter.metadata: "{\"a\": 1}" is no object of texts`},
		`{"zone": 1, "hedge": [], "x": 0, "retry": {"y": 0}}`: {"zone: ", "hedge: ", "x: there is no", "retry.y: there is no such field; there are max"},
	} {
		_, err := lb.ParseConfig([]byte(text))
		if !errors.Is(err, lb.ErrConfig) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant %s", text, err, want)
			}
		}
	}
}

func TestACodedConfigIsValidatedToo(t *testing.T) {
	_, err := lb.Config{Policy: "best", Retry: lb.RetryConfig{Max: -1}}.Routing()
	if err == nil || !strings.Contains(err.Error(), "policy: ") || !strings.Contains(err.Error(), "retry.max: ") {
		t.Errorf("%v", err)
	}
}

// The reference in the documentation is one that works, and has every field.
func TestTheDocumentedConfigIsOne(t *testing.T) {
	page, err := os.ReadFile("../docs/balancing.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) == 0 {
		t.Fatal("no example in docs/balancing.md")
	}
	for _, block := range blocks {
		c, err := lb.ParseConfig(block[1])
		if err != nil {
			t.Fatalf("%v in\n%s", err, block[1])
		}
		for _, value := range []any{c, c.Filter, c.Subset, c.Ejection, c.Limit, c.Circuit, c.Retry, c.Retry.Backoff, c.Retry.Budget, *c.Hedge} {
			v := reflect.ValueOf(value)
			for i := range v.NumField() {
				if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "NoEjection" {
					t.Errorf("%s.%s is not in the example", v.Type().Name(), name)
				}
			}
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"policy":"random","zone":"a"}`, `{"retry":{"backoff":{"initial":"1ms"}},"hedge":{}}`, `{"ejection":{"off":true}}`,
		`{"filter":{"tags":["a"],"metadata":{"k":"v"}},"subset":{"size":3}}`, `{"slow_start":"1h1m1.5s"}`, `[`, `{"a":{"a":{"a":1}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := lb.ParseConfig(text)
		if err != nil {
			if !errors.Is(err, lb.ErrConfig) {
				t.Errorf("%q: %v is no ErrConfig", text, err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%q was taken, and is wrong: %v", text, err)
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		back, err := lb.ParseConfig(again)
		if err != nil {
			t.Fatalf("%q was written as %s: %v", text, again, err)
		}
		once, _ := json.Marshal(back)
		if string(once) != string(again) {
			t.Errorf("%s became %s", again, once)
		}
	})
}
