//go:build unix

package main_test

import "testing"

func TestDNSIsARegistry(t *testing.T) {
	// Port 1 of loopback answers nothing but "refused".
	url := "dns://127.0.0.1:1/zone?timeout=200ms"
	if code, _, errs := run(t, url, "--timeout", "2s", "instances", "book"); code != 2 && code != 5 {
		t.Errorf("no name server: exit %d; %s", code, errs)
	}
	if code, _, errs := run(t, url, "register", "--name", "book", "--addr", "127.0.0.1:4"); code != 3 {
		t.Errorf("registering in DNS: exit %d, want 3; %s", code, errs)
	}
	if code, _, errs := run(t, "dns://127.0.0.1:1", "instances", "book"); code != 1 {
		t.Errorf("a URL without a zone: exit %d, want 1; %s", code, errs)
	}
}
