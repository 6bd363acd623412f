package health

import (
	"context"
	"net"
	"strconv"
)

// TCP opens a connection to the address and closes it. It proves only that
// the kernel accepts connections: prefer a check that the program answers.
type TCP struct {
	Addr string // host:port
}

// String is tcp://host:port.
func (t TCP) String() string { return "tcp://" + t.Addr }

// Validate refuses what is not host:port.
func (t TCP) Validate() error {
	const fix = "write it like 127.0.0.1:8080"
	host, port, err := net.SplitHostPort(t.Addr)
	if err != nil || host == "" {
		return invalid("address", t.Addr, "it is not host:port", fix)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return invalid("address", t.Addr, "the port is not a number from 1 to 65535", fix)
	}
	return nil
}

// Probe connects once.
func (t TCP) Probe(ctx context.Context) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
