package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"

	"github.com/adsum-go/adsum"
)

// refused is why a wait ended early: nothing listens where the registry's
// URL points.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// failWhenRefused calls fail as soon as it is certain that none of the hosts
// in the registry's URL can be reached. A driver keeps trying, as it should;
// a person who mistyped an address should not wait for that.
func failWhenRefused(ctx context.Context, rawURL string, fail context.CancelCauseFunc) {
	u, err := adsum.ParseURL(rawURL)
	if err != nil || len(u.Hosts) == 0 || proxied() {
		return
	}
	var all error
	for _, host := range u.Hosts {
		if _, _, err := net.SplitHostPort(host); err != nil {
			return // the driver knows its default port
		}
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", host)
		if err == nil {
			conn.Close()
			return
		}
		if !certain(err) {
			return
		}
		all = errors.Join(all, err)
	}
	fail(refused{all})
}

// certain tells the failures that waiting does not mend.
func certain(err error) bool {
	var dns *net.DNSError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &dns) && dns.IsNotFound
}

// proxied tells that connections may take another way than a plain dial.
func proxied() bool {
	r, err := http.NewRequest(http.MethodGet, "https://registry.example", nil)
	if err != nil {
		return true
	}
	proxy, err := http.ProxyFromEnvironment(r)
	return proxy != nil || err != nil
}
