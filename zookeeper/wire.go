package zookeeper

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"time"
)

// wire is a connection of a session, through which this package learns what
// the client library keeps to itself: the negotiated timeout, the server's
// transaction number, and a server that refuses to go on with the session.
// It also bounds the handshake, which the library lets take 6.7 session
// timeouts.
//
// The number of the last transaction that was answered is kept here in its stead.
// The library reads it without a lock when it sets watches again, while the first
// answers on a new connection may already move it past what was missed.
type wire struct {
	net.Conn
	session *session
	seen    int64 // that number when the connection was made
	frames  frames
}

// Read hands on what arrives and looks at the head of every packet.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.frames.take(p[:n], w.packet)
	if err != nil {
		w.failed(err)
	}
	return n, err
}

// Write notices a connection that breaks before it was of any use.
func (w *wire) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(w.stamped(p))
	if err != nil {
		w.failed(err)
	}
	return n, err
}

// The packets with that number in them begin with their length; the first goes on
// with a version, the number, a timeout and the session's id, and the one that sets
// watches again with its own number and kind.
const (
	setWatches  = 101
	seenAtStart = 8  // where the number stands in the first packet
	idAtStart   = 20 // and the session's id, 0 if it is to begin
	seenInWatch = 12
)

// stamped is a packet of the library's with the number of the last transaction.
func (w *wire) stamped(p []byte) []byte {
	at := 0
	switch {
	case !w.frames.greeted && len(p) >= idAtStart+8 && binary.BigEndian.Uint64(p[idAtStart:]) != 0:
		at = seenAtStart
	case w.frames.greeted && len(p) >= seenInWatch+8 && binary.BigEndian.Uint32(p[seenInWatch-4:]) == setWatches:
		at = seenInWatch
	default:
		return p
	}
	p = bytes.Clone(p)
	binary.BigEndian.PutUint64(p[at:], uint64(w.seen))
	return p
}

// failed tells the session of a handshake that came to nothing.
func (w *wire) failed(err error) {
	switch {
	case isTrust(err):
		w.session.failed(&trustError{err}, false)
	case !w.frames.greeted:
		refused := !errors.Is(err, os.ErrDeadlineExceeded)
		w.session.failed(err, refused)
	}
}

// SetReadDeadline leaves the deadline of the handshake alone.
func (w *wire) SetReadDeadline(t time.Time) error {
	if !w.frames.greeted {
		return nil
	}
	return w.Conn.SetReadDeadline(t)
}

// packet takes the head of a packet.
func (w *wire) packet(head []byte, first bool) {
	switch {
	case first && len(head) >= 16:
		w.session.negotiated(time.Duration(binary.BigEndian.Uint32(head[4:])) * time.Millisecond)
	case !first && len(head) >= 12:
		w.session.heard(int32(binary.BigEndian.Uint32(head)), int64(binary.BigEndian.Uint64(head[4:])))
	}
}

// headSize is how much of a packet is looked at: version, timeout and session
// of the first, request and transaction number of every other.
const headSize = 16

// frames cuts a stream into packets: a length of four bytes, then as many.
type frames struct {
	head    [4 + headSize]byte
	filled  int  // of head
	skip    int  // bytes that are left of the packet
	greeted bool // the first packet arrived as a whole
}

// The number of a transaction in what is copied to head.
const zxidBegin, zxidEnd = 8, 16

// take goes over the next bytes of the stream, and clears the numbers of
// transactions in them.
func (f *frames) take(p []byte, packet func(head []byte, first bool)) {
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			f.skip, p = f.skip-n, p[n:]
			f.ended()
			continue
		}
		want := 4
		if f.filled >= 4 {
			want += min(f.size(), headSize)
		}
		n := copy(f.head[f.filled:want], p)
		if f.greeted {
			clear(p[min(max(zxidBegin-f.filled, 0), n):min(max(zxidEnd-f.filled, 0), n)])
		}
		f.filled, p = f.filled+n, p[n:]
		if f.filled >= 4 && f.filled == 4+min(f.size(), headSize) {
			packet(f.head[4:f.filled], !f.greeted)
			f.skip, f.filled = f.size()-(f.filled-4), 0
			f.ended()
		}
	}
}

func (f *frames) size() int { return int(binary.BigEndian.Uint32(f.head[:])) }

// ended notes the end of the first packet. Others must write nothing that who
// sends meanwhile looks at.
func (f *frames) ended() {
	if !f.greeted && f.skip == 0 {
		f.greeted = true
	}
}
