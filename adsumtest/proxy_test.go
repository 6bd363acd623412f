package adsumtest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adsum-go/adsum/adsumtest"
)

// echo answers every byte with itself, and counts its connections.
type echo struct {
	net.Listener
	running sync.WaitGroup
	arrived chan []byte // what was read, for tests that hold answers back
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{Listener: listener, arrived: make(chan []byte, 100)}
	e.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			e.running.Go(func() { e.answer(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		e.running.Wait()
	})
	return e
}

func (e *echo) answer(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 1<<16)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			select {
			case e.arrived <- bytes.Clone(buf[:n]):
			default:
			}
			if _, err := conn.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// through returns a proxy to an echo server, and a client of it.
func through(t *testing.T) (*adsumtest.Proxy, *echo, net.Conn) {
	t.Helper()
	adsumtest.NoLeaks(t)
	e := newEcho(t)
	p := adsumtest.NewProxy(t, e.Addr().String())
	return p, e, dial(t, p)
}

func dial(t *testing.T, p *adsumtest.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("read %q and %v, want %q", got, err, text)
	}
}

// silent fails if anything can be read within a moment.
func silent(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1)); !isTimeout(err) {
		t.Fatalf("read %d bytes and %v, want nothing", n, err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestProxyPassesBothDirectionsAndTheEnd(t *testing.T) {
	p, _, conn := through(t)
	send(t, conn, "hello")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "hello" {
		t.Fatalf("read %q and %v", got, err)
	}
	dial(t, p)
	waitFor(t, "two connections accepted", func() bool { return p.Accepted() == 2 })
}

func TestProxyLatencyDelaysWithoutSlowing(t *testing.T) {
	p, _, conn := through(t)
	p.SetLatency(50 * time.Millisecond)
	text := string(bytes.Repeat([]byte("x"), 100_000))
	start := time.Now()
	var sending sync.WaitGroup
	sending.Go(func() { _, _ = io.WriteString(conn, text) })
	expect(t, conn, text)
	sending.Wait()
	if took := time.Since(start); took < 100*time.Millisecond || took > time.Second {
		t.Fatalf("there and back took %v, want a little more than 2 × 50ms", took)
	}
}

func TestProxyBandwidthSlows(t *testing.T) {
	p, _, conn := through(t)
	p.SetBandwidth(100_000)
	start := time.Now()
	send(t, conn, string(bytes.Repeat([]byte("x"), 20_000)))
	expect(t, conn, string(bytes.Repeat([]byte("x"), 20_000)))
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Fatalf("20 kB at 100 kB/s took %v", took)
	}
}

func TestProxyHangAcceptsSaysNothingAndResumesIntact(t *testing.T) {
	p, e, conn := through(t)
	send(t, conn, "a")
	expect(t, conn, "a")
	<-e.arrived
	p.Hang()
	send(t, conn, "b")
	late := dial(t, p)
	send(t, late, "c")
	silent(t, conn)
	silent(t, late)
	if len(e.arrived) > 0 {
		t.Fatal("a request arrived through a black hole")
	}
	p.Resume()
	expect(t, conn, "b")
	expect(t, late, "c")
}

func TestProxyHangBackLetsRequestsArrive(t *testing.T) {
	p, e, conn := through(t)
	p.HangBack()
	send(t, conn, "a")
	if got := <-e.arrived; string(got) != "a" {
		t.Fatalf("%q arrived", got)
	}
	silent(t, conn)
	p.Resume()
	expect(t, conn, "a")
}

func TestProxyCutEndsOpenConnectionsOnly(t *testing.T) {
	for _, test := range []struct {
		how  adsumtest.Ending
		want error
	}{{adsumtest.FIN, io.EOF}, {adsumtest.RST, syscall.ECONNRESET}} {
		p, _, conn := through(t)
		send(t, conn, "a")
		expect(t, conn, "a")
		p.Cut(test.how)
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, test.want) {
			t.Fatalf("a cut connection reads %v, want %v", err, test.want)
		}
		again := dial(t, p)
		send(t, again, "b")
		expect(t, again, "b")
	}
}

func TestProxyResetRefusesService(t *testing.T) {
	p, _, conn := through(t)
	send(t, conn, "a")
	expect(t, conn, "a")
	p.Reset()
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("an open connection reads %v, want a reset", err)
	}
	late, err := net.Dial("tcp", p.Addr())
	if err == nil { // the reset may already arrive while dialling
		defer late.Close()
		_, err = late.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("a late connection ends with %v, want a reset", err)
	}
	p.Resume()
	again := dial(t, p)
	send(t, again, "b")
	expect(t, again, "b")
}

func TestProxyCutAfterCutsInMidMessageOnce(t *testing.T) {
	p, _, conn := through(t)
	p.CutAfter(3)
	send(t, conn, "hello")
	expect(t, conn, "hel")
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read %v, want a reset", err)
	}
	again := dial(t, p)
	send(t, again, "hello")
	expect(t, again, "hello")
}

func TestProxyDownRefusesAndComesUpOnTheSamePort(t *testing.T) {
	p, _, conn := through(t)
	addr := p.Addr()
	send(t, conn, "a")
	expect(t, conn, "a")
	p.Down()
	p.Down()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Fatal("an open connection survived")
	}
	if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dialling says %v, want refused", err)
	}
	for range 2 {
		if err := p.Up(); err != nil {
			t.Fatal(err)
		}
	}
	if p.Addr() != addr {
		t.Fatalf("moved from %s to %s", addr, p.Addr())
	}
	again := dial(t, p)
	send(t, again, "b")
	expect(t, again, "b")
}

func TestProxyClosesConnectionsToADeadTarget(t *testing.T) {
	p, e, _ := through(t)
	_ = e.Close()
	p.Cut(adsumtest.RST)
	conn := dial(t, p)
	if _, err := conn.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Fatalf("read %v, want an end", err)
	}
	other := newEcho(t)
	p.SetTarget(other.Addr().String())
	again := dial(t, p)
	send(t, again, "b")
	expect(t, again, "b")
}

func TestProxyCloseWhileHangingLeavesNothing(t *testing.T) {
	p, _, conn := through(t)
	p.Hang()
	send(t, conn, "a")
	dial(t, p)
	waitFor(t, "both accepted", func() bool { return p.Accepted() == 2 })
	p.Close()
	p.Close()
	if err := p.Up(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.Dial("tcp", p.Addr()); err == nil {
		t.Fatal("a closed proxy came up again")
	}
}

// waitFor polls for what nothing announces.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited 10s for ", what)
		}
	}
}
