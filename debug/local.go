package debug

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// local reports why a request does not come from this machine.
func local(r *http.Request) error {
	caller, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !caller.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("only for callers on the same machine; you are %s", clean(r.RemoteAddr))
	}
	if !loopbackName(r.Host) {
		return fmt.Errorf("only for callers on the same machine; ask for localhost or 127.0.0.1, not for %s", clean(r.Host))
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(header) != "" {
			return fmt.Errorf("only for callers on the same machine; a proxy passed this on (%s)", header)
		}
	}
	return nil
}

// loopbackName tells whether a Host header names this machine to itself. Any
// other name may have been made to point here by somebody's DNS.
func loopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
