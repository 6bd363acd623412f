package adsum_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/adsum-go/adsum"
)

func TestDefaultsFillIDWeightAndStatus(t *testing.T) {
	in := adsum.Instance{Service: "book", Addr: "10.0.0.5:50051"}.WithDefaults()
	if in.ID != "10.0.0.5:50051" || in.Weight != adsum.DefaultWeight || in.Status != adsum.Passing {
		t.Errorf("got %+v", in)
	}
	set := adsum.Instance{ID: "a", Service: "book", Addr: "h:1", Weight: 7, Status: adsum.Draining}
	if got := set.WithDefaults(); !got.Equal(&set) {
		t.Errorf("defaults changed what was set: %+v", got)
	}
}

func TestEqualComparesEveryField(t *testing.T) {
	base := func() adsum.Instance {
		return adsum.Instance{
			ID: "a", Service: "book", Addr: "h:1", Endpoints: map[string]string{"grpc": "h:2"}, Weight: 1,
			Zone: "z", Version: "v", Tags: []string{"t"}, Metadata: map[string]string{"k": "v"},
			Status: adsum.Passing, Reason: "r", Reported: adsum.Passing,
		}
	}
	// Setting each field in turn to something else catches a field that
	// Equal forgot, one added later included.
	typ := reflect.TypeFor[adsum.Instance]()
	for i := range typ.NumField() {
		a, b := base(), base()
		field := reflect.ValueOf(&b).Elem().Field(i)
		if field.IsZero() {
			t.Fatalf("the test does not set %s", typ.Field(i).Name)
		}
		field.SetZero()
		if a.Equal(&b) {
			t.Errorf("Equal ignores %s", typ.Field(i).Name)
		}
	}
	a, b := base(), base()
	a.Tags, b.Tags, a.Metadata, b.Metadata, a.Endpoints, b.Endpoints = nil, []string{}, nil, map[string]string{}, nil, map[string]string{}
	if !a.Equal(&b) {
		t.Error("nil and empty collections differ")
	}
}

func TestCloneSharesNothing(t *testing.T) {
	in := adsum.Instance{Tags: []string{"a"}, Metadata: map[string]string{"k": "v"}, Endpoints: map[string]string{"grpc": "h:1"}}
	clone := in.Clone()
	clone.Tags[0], clone.Metadata["k"], clone.Endpoints["grpc"] = "b", "w", "h:2"
	if in.Tags[0] != "a" || in.Metadata["k"] != "v" || in.Endpoints["grpc"] != "h:1" {
		t.Errorf("the original changed: %+v", in)
	}
}

func TestAddressPrefersTheProtocolsInOrder(t *testing.T) {
	in := adsum.Instance{Addr: "h:1", Endpoints: map[string]string{"grpc": "h:2", "https": "h:3"}}
	for _, test := range []struct {
		protocols      []string
		addr, protocol string
	}{
		{nil, "h:1", ""},
		{[]string{"http"}, "h:1", ""},
		{[]string{"grpc"}, "h:2", "grpc"},
		{[]string{"http", "https"}, "h:3", "https"},
	} {
		if addr, protocol := in.Address(test.protocols...); addr != test.addr || protocol != test.protocol {
			t.Errorf("Address(%v) = %s, %s", test.protocols, addr, protocol)
		}
	}
}

func TestWorseIsTheWorstOfTwo(t *testing.T) {
	order := adsum.Statuses()
	for i, a := range order {
		for j, b := range order {
			if got, want := a.Worse(b), order[max(i, j)]; got != want {
				t.Errorf("%s.Worse(%s) = %s, want %s", a, b, got, want)
			}
		}
	}
	if got := adsum.Status("").Worse(adsum.Warning); got != adsum.Warning {
		t.Errorf("no status counts as worse than warning: %s", got)
	}
}

func TestOnlyPassingAndWarningAreCallable(t *testing.T) {
	for _, s := range append(adsum.Statuses(), "") {
		if want := slices.Contains([]adsum.Status{"", adsum.Passing, adsum.Warning}, s); s.Callable() != want {
			t.Errorf("%q callable: %v", s, s.Callable())
		}
	}
}

func TestJSONHasEveryKeyOfTheContract(t *testing.T) {
	data, err := json.Marshal([]*adsum.Instance{{ID: "a", Service: "book", Addr: "h:1"}})
	if err != nil {
		t.Fatal(err)
	}
	var objects []map[string]any
	if err := json.Unmarshal(data, &objects); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"id", "service", "addr", "endpoints", "weight", "zone", "version", "tags", "metadata", "status", "reason"} {
		if v, ok := objects[0][key]; !ok || v == nil {
			t.Errorf("%s is missing or null in %s", key, data)
		}
	}
	full := adsum.Instance{ID: "a", Service: "book", Addr: "h:1", Weight: 3, Tags: []string{"x"}, Metadata: map[string]string{"k": "v"},
		Endpoints: map[string]string{"grpc": "h:2"}, Status: adsum.Draining, Reported: adsum.Passing, Reason: "why", Zone: "z", Version: "1"}
	data, err = json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var back adsum.Instance
	if err := json.Unmarshal(data, &back); err != nil || !back.Equal(&full) {
		t.Errorf("came back as %+v, %v", back, err)
	}
}

func TestOverrideWinsButWorseNewsStays(t *testing.T) {
	drain := adsum.Override{Status: adsum.Draining, Weight: 9, Reason: "by ops"}
	in := drain.Apply(adsum.Instance{Status: adsum.Passing, Weight: 1})
	if in.Status != adsum.Draining || in.Reported != adsum.Passing || in.Reason != "by ops" || in.Weight != 9 {
		t.Errorf("got %+v", in)
	}
	in = drain.Apply(adsum.Instance{Status: adsum.Critical, Reason: "disk full"})
	if in.Status != adsum.Critical || in.Reason != "disk full" || in.Reported != "" {
		t.Errorf("a critical instance turned better: %+v", in)
	}
	if err := (adsum.Override{Reason: "\x1b[31m"}).Validate(); !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("an escape as reason: %v", err)
	}
	if err := (adsum.Override{Status: adsum.Passing}).Validate(); err == nil || !strings.Contains(err.Error(), "draining") {
		t.Errorf("imposing passing: %v", err)
	}
}
