package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
)

// bounded is a registry of which only the bounds are asked.
type bounded struct {
	adsum.Registry
	least, most time.Duration
}

func (b bounded) Capabilities() adsum.Capabilities {
	return adsum.Capabilities{Registry: "zk://h:2181", MinTTL: b.least, MaxTTL: b.most}
}

func TestATTLThatTheRegistryOrSenseDoesNotGrantIsRefused(t *testing.T) {
	for _, test := range []struct {
		most, ttl time.Duration
		says      string // "" if it is accepted
	}{
		{most: 40 * time.Second, ttl: 40 * time.Second},
		{most: 40 * time.Second, ttl: 41 * time.Second, says: "--ttl 41s: zk://h:2181 grants at most 40s"},
		{most: 365 * 24 * time.Hour, ttl: 24 * time.Hour},
		{most: 365 * 24 * time.Hour, ttl: 10000 * time.Hour, says: "--ttl 10000h0m0s: give at most 24h0m0s"},
		{ttl: 25 * time.Hour, says: "give at most 24h0m0s"},
		{ttl: 0, says: "--ttl 0s: give some seconds"},
		{ttl: -time.Second, says: "--ttl -1s: give some seconds"},
	} {
		err := checkTTL(bounded{most: test.most}, test.ttl)
		if (err != nil) != (test.says != "") || err != nil && (!strings.Contains(err.Error(), test.says) || codeOf(err) != exitUsage) {
			t.Errorf("%s of %s: %v", test.ttl, test.most, err)
		}
	}
}

func TestATTLThatIsRaisedIsTold(t *testing.T) {
	for ttl, says := range map[time.Duration]string{
		time.Second:     "--ttl 1s: zk://h:2181 grants 4s at least, and that is what it is\n",
		4 * time.Second: "",
	} {
		var told bytes.Buffer
		f := &Factory{Streams: Streams{Err: &told}}
		f.noteTTL(bounded{least: 4 * time.Second}, ttl)
		if told.String() != says {
			t.Errorf("%s: %q", ttl, &told)
		}
	}
}
