package adsumgrpc

import (
	"encoding/json"
	"testing"
)

func FuzzAServiceConfigEndsUpWithABalancer(f *testing.F) {
	for _, config := range []string{
		`{}`, `null`, `[]`, `{"methodConfig": [{"name": [{"service": "echo.Echo"}], "timeout": "1s"}]}`,
		`{"loadBalancingConfig": [{"round_robin": {}}]}`, `{"loadBalancingConfig": null}`, `{`, ``,
	} {
		f.Add(config)
	}
	f.Fuzz(func(t *testing.T, config string) {
		merged := withBalancer(config)
		var given, got map[string]json.RawMessage
		if err := json.Unmarshal([]byte(config), &given); err != nil || given == nil {
			if merged != config {
				t.Errorf("%q is no object and was changed to %q", config, merged)
			}
			return
		}
		if err := json.Unmarshal([]byte(merged), &got); err != nil {
			t.Fatalf("%q became %q: %v", config, merged, err)
		}
		if _, named := got["loadBalancingConfig"]; !named {
			t.Errorf("%q became %q, which names no balancer", config, merged)
		}
		for key := range given {
			if _, kept := got[key]; !kept {
				t.Errorf("%q became %q, which lost %q", config, merged, key)
			}
		}
	})
}
