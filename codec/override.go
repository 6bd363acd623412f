package codec

import (
	"encoding/json"
	"fmt"

	"github.com/adsum-go/adsum"
)

// EncodeOverride writes an operator's word on an instance as JSON.
func EncodeOverride(o adsum.Override) ([]byte, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(o)
}

// DecodeOverride reads what EncodeOverride wrote, and trusts it no more than
// Decode does an instance.
func DecodeOverride(value []byte) (adsum.Override, error) {
	if len(value) > maxSize {
		return adsum.Override{}, fmt.Errorf("the value has %d bytes, at most %d are read", len(value), maxSize)
	}
	object, err := parseObject(value)
	if err != nil {
		return adsum.Override{}, fmt.Errorf("no override: %w", err)
	}
	var o adsum.Override
	for key, target := range map[string]any{"status": &o.Status, "weight": &o.Weight, "reason": &o.Reason} {
		if err := object.read(key, target); err != nil {
			return adsum.Override{}, fmt.Errorf("no override: %w", err)
		}
	}
	o.Reason = clean(o.Reason)
	if err := o.Validate(); err != nil {
		return adsum.Override{}, err
	}
	return o, nil
}
