package codec_test

import (
	"errors"
	"testing"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

func TestOverridesRoundTrip(t *testing.T) {
	for _, o := range []adsum.Override{{Status: adsum.Draining}, {Weight: 7, Reason: "升级"}, {}} {
		value, err := codec.EncodeOverride(o)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := codec.DecodeOverride(value); err != nil || got != o {
			t.Errorf("%s: got %v, %v, want %v", value, got, err, o)
		}
	}
	if _, err := codec.EncodeOverride(adsum.Override{Status: adsum.Passing}); !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func FuzzDecodeOverride(f *testing.F) {
	for _, value := range []string{`{"status":"draining","weight":9,"reason":"upgrade"}`, `{}`, `{"weight":-1}`, `{"reason":"\u001b[2J"}`, `[]`, `{"status":7}`, ``} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		o, err := codec.DecodeOverride(value)
		if err != nil && !printable(err.Error()) {
			t.Errorf("message is not fit to print: %q", err)
		}
		if err := o.Validate(); err != nil || !printable(o.Reason) {
			t.Errorf("decoded %+v: %v", o, err)
		}
	})
}
