package demo

import (
	"errors"
	"net"
	"os"
	"sync"
)

// cut stands before a registry and can silence it, where a signal cannot:
// connections stay open and nothing comes through.
type cut struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu     sync.Mutex
	passes chan struct{} // closed while data passes
	conns  map[net.Conn]bool
	closed bool
}

func newCut(target string) (*cut, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &cut{listener: l, target: target, passes: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(c.passes)
	c.running.Go(c.accept)
	return c, nil
}

func (c *cut) addr() string { return c.listener.Addr().String() }

// Freeze lets nothing through until Thaw.
func (c *cut) Freeze() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passes = make(chan struct{})
	return nil
}

// Thaw lets through what waited.
func (c *cut) Thaw() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.passes)
	return nil
}

func (c *cut) accept() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.running.Go(func() { c.serve(client) })
	}
}

func (c *cut) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !c.keep(client, server) {
		return
	}
	defer c.forget(client, server)
	var both sync.WaitGroup
	both.Go(func() { c.pass(server, client) })
	both.Go(func() { c.pass(client, server) })
	both.Wait()
}

func (c *cut) keep(conns ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		c.conns[conn] = true
	}
	return !c.closed
}

func (c *cut) forget(conns ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range conns {
		delete(c.conns, conn)
	}
}

// pass copies until one side ends, and ends the other with it.
func (c *cut) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		c.mu.Lock()
		passes := c.passes
		c.mu.Unlock()
		<-passes
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// Close ends every connection.
func (c *cut) Close() error {
	err := c.listener.Close()
	c.mu.Lock()
	c.closed = true
	select {
	case <-c.passes:
	default:
		close(c.passes)
	}
	for conn := range c.conns {
		err = errors.Join(err, ignoreClosed(conn.Close()))
	}
	c.mu.Unlock()
	c.running.Wait()
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
