//go:build unix

package main_test

import (
	"strings"
	"testing"

	"github.com/adsum-go/adsum/zookeeper"
)

func TestZooKeeperIsARegistry(t *testing.T) {
	// Port 1 of loopback answers nothing but "refused".
	url := "zk://127.0.0.1:1/services"
	if code, _, errs := run(t, url, "--timeout", "1s", "instances", "book"); code == 0 || !strings.Contains(errs, "127.0.0.1:1") {
		t.Errorf("no server: exit %d; %s", code, errs)
	}
	if code, _, errs := run(t, url+"?codec=xml", "instances", "book"); code != 1 || !strings.Contains(errs, string(zookeeper.Formats()[0])) {
		t.Errorf("an unknown format: exit %d, want 1; %s", code, errs)
	}
}
