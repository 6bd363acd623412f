package adsumtest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// link is one connection through a [Proxy].
type link struct {
	proxy  *Proxy
	client *net.TCPConn
	done   chan struct{} // closed when the link has ended
	once   sync.Once

	mu     sync.Mutex
	server *net.TCPConn // nil until dialled
}

// chunk is a piece of a stream, or its end.
type chunk struct {
	data []byte
	read time.Time
	err  error // io.EOF for an end in order
}

const (
	chunkBytes  = 16 << 10
	chunksAhead = 64 // what a connection may have under way in one direction
)

func (l *link) run() {
	defer l.proxy.remove(l)
	defer l.end(FIN)
	if !l.pass(false) || !l.dial() {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { l.pump(l.server, l.client, false) })
	both.Go(func() { l.pump(l.client, l.server, true) })
	both.Wait()
}

func (l *link) dial() bool {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	l.proxy.running.Go(func() {
		select {
		case <-l.done:
			cancel()
		case <-stop:
		}
	})
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", l.proxy.currentTarget())
	if err != nil {
		return false
	}
	l.mu.Lock()
	l.server = conn.(*net.TCPConn)
	l.mu.Unlock()
	select {
	case <-l.done: // ended while dialling: end found no server to close
		_ = conn.Close()
		return false
	default:
		return true
	}
}

// pump passes one direction on; back is that of the answers.
func (l *link) pump(dst, src *net.TCPConn, back bool) {
	chunks := make(chan chunk, chunksAhead)
	l.proxy.running.Go(func() { l.read(src, chunks) })
	for {
		select {
		case <-l.done:
			return
		case c := <-chunks:
			if !l.deliver(dst, c, back) {
				return
			}
		}
	}
}

func (l *link) read(src *net.TCPConn, chunks chan<- chunk) {
	for {
		buf := make([]byte, chunkBytes)
		n, err := src.Read(buf)
		select {
		case chunks <- chunk{buf[:n], time.Now(), err}:
		case <-l.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// deliver writes a chunk once it is due. It reports whether more may follow.
func (l *link) deliver(dst *net.TCPConn, c chunk, back bool) bool {
	now, _ := l.proxy.current()
	due := time.Until(c.read.Add(now.latency))
	if now.bandwidth > 0 {
		due = max(due, 0) + time.Duration(len(c.data))*time.Second/time.Duration(now.bandwidth)
	}
	if !l.wait(due) || !l.pass(back) {
		return false
	}
	cut := false
	if back {
		var allowed int
		allowed, cut = l.proxy.spend(len(c.data))
		c.data = c.data[:allowed]
	}
	if len(c.data) > 0 {
		l.proxy.carried.Add(int64(len(c.data)))
		if _, err := dst.Write(c.data); err != nil {
			l.end(RST)
			return false
		}
	}
	switch {
	case cut:
		l.end(RST)
		return false
	case errors.Is(c.err, io.EOF):
		_ = dst.CloseWrite()
		return false
	case c.err != nil:
		l.end(RST)
		return false
	}
	return true
}

// pass waits until nothing holds this direction up. It reports whether the
// link is still there.
func (l *link) pass(back bool) bool {
	for {
		now, changed := l.proxy.current()
		if !now.hang && !(back && now.hangBack) {
			return true
		}
		select {
		case <-changed:
		case <-l.done:
			return false
		}
	}
}

func (l *link) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.done:
		return false
	}
}

// end closes both sides. Only the first call has an effect.
func (l *link) end(how Ending) {
	l.once.Do(func() {
		close(l.done)
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, conn := range []*net.TCPConn{l.client, l.server} {
			if conn == nil {
				continue
			}
			if how == RST {
				_ = conn.SetLinger(0)
			}
			_ = conn.Close()
		}
	})
}
