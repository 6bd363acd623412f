package eureka

import (
	"context"
	"net"
	"net/http"
	"time"
)

// newTransport makes connections of this registry's own, so that closing it
// leaves none behind. It asks for gzip, without which Netflix' server refuses
// to answer.
func newTransport(t *trust, dialTimeout time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Transport{
		DialContext: dialer.DialContext,
		DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout) // the handshake's, too
			defer cancel()
			raw, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			conn, err := t.secure(ctx, raw, addr)
			if err != nil {
				_ = raw.Close() // the handshake's error says why
				return nil, err
			}
			return conn, nil
		},
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     90 * time.Second,
	}
}
