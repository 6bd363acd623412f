package zookeeper

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

func packet(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func TestHeadsOfPacketsAreSeenHoweverTheyArrive(t *testing.T) {
	bodies := [][]byte{bytes.Repeat([]byte("h"), 37), []byte("short"), {}, bytes.Repeat([]byte("l"), 1000), bytes.Repeat([]byte("e"), headSize)}
	var stream []byte
	for _, body := range bodies {
		stream = append(stream, packet(body)...)
	}
	for size := 1; size <= len(stream); size++ {
		var f frames
		var heads [][]byte
		for rest := bytes.Clone(stream); len(rest) > 0; {
			n := min(size, len(rest))
			f.take(rest[:n], func(head []byte, first bool) {
				if first != (len(heads) == 0) {
					t.Fatalf("in pieces of %d: packet %d counts as first: %t", size, len(heads), first)
				}
				heads = append(heads, bytes.Clone(head))
			})
			rest = rest[n:]
		}
		if len(heads) != len(bodies) || !f.greeted {
			t.Fatalf("in pieces of %d: %d packets, greeted %t", size, len(heads), f.greeted)
		}
		for i, head := range heads {
			if want := bodies[i][:min(headSize, len(bodies[i]))]; !bytes.Equal(head, want) {
				t.Fatalf("in pieces of %d: packet %d begins with %q, want %q", size, i, head, want)
			}
		}
	}
}

// half is a connection that still brings what had arrived, and takes nothing.
type half struct {
	net.Conn
	io.Reader
}

var errBroken = errors.New("broken pipe")

func (h half) Read(p []byte) (int, error) { return h.Reader.Read(p) }
func (h half) Write([]byte) (int, error)  { return 0, errBroken }

func TestAConnectionMayBreakForWhoSendsWhileAnswersArrive(t *testing.T) {
	greeting := packet(make([]byte, 37))
	answers := bytes.Repeat(packet(make([]byte, headSize)), 100)
	w := &wire{Conn: half{Reader: bytes.NewReader(append(greeting, answers...))}, session: &session{}}
	if _, err := io.ReadFull(w, greeting); err != nil {
		t.Fatal(err)
	}
	var loops sync.WaitGroup
	loops.Go(func() {
		if n, err := io.Copy(io.Discard, struct{ io.Reader }{w}); int(n) != len(answers) || err != nil {
			t.Errorf("read %d bytes of %d, %v", n, len(answers), err)
		}
	})
	loops.Go(func() {
		for range 100 {
			if _, err := w.Write([]byte("ping")); !errors.Is(err, errBroken) {
				t.Errorf("sending: %v", err)
			}
		}
	})
	loops.Wait()
}

func FuzzFrames(f *testing.F) {
	f.Add(packet(bytes.Repeat([]byte{0}, 37)), uint8(3))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1}, uint8(1))
	f.Add(append(packet(nil), packet([]byte("x"))...), uint8(5))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		var whole, pieces frames
		count := func(n *int) func([]byte, bool) {
			return func(head []byte, _ bool) {
				*n += 1 + len(head)
				if len(head) > headSize {
					t.Errorf("a head of %d bytes", len(head))
				}
			}
		}
		var all, some int
		whole.take(stream, count(&all))
		for rest := bytes.Clone(stream); len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			pieces.take(rest[:n], count(&some))
			rest = rest[n:]
		}
		if all != some || whole.greeted != pieces.greeted {
			t.Errorf("at once %d and %t, in pieces %d and %t", all, whole.greeted, some, pieces.greeted)
		}
	})
}

// speaking is a connection that brings what it was given and notes what is sent.
type speaking struct {
	net.Conn
	io.Reader
	sent *bytes.Buffer
}

func (c speaking) Read(p []byte) (int, error)  { return c.Reader.Read(p) }
func (c speaking) Write(p []byte) (int, error) { return c.sent.Write(p) }

// answer is a packet that answers a request; -2 is a ping.
func answer(request int32, zxid int64) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(request))
	return packet(append(binary.BigEndian.AppendUint64(head, uint64(zxid)), "\x00\x00\x00\x00result"...))
}

// start is the first packet of a connection, by which a session begins or goes on.
func start(seen, id int64) []byte {
	p := binary.BigEndian.AppendUint64(make([]byte, 4), uint64(seen))
	p = binary.BigEndian.AppendUint64(append(p, 0, 0, 0x10, 0), uint64(id))
	return packet(append(p, make([]byte, 20)...))
}

// again is a packet that sets a watch again, if it is one of kind 101.
func again(kind uint32, seen int64) []byte {
	p := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 9}, kind)
	return packet(append(binary.BigEndian.AppendUint64(p, uint64(seen)), "path"...))
}

func TestTheLastTransactionIsThatOfBeforeTheConnection(t *testing.T) {
	greeting := packet(bytes.Repeat([]byte("g"), 37))
	s := &session{seen: 5}
	for _, size := range []int{1, 3, 64} {
		var sent bytes.Buffer
		incoming := slices.Concat(greeting, answer(-2, 9), answer(1, 7))
		w := &wire{Conn: speaking{Reader: bytes.NewReader(incoming), sent: &sent}, session: s, seen: 5}
		write := func(p []byte) {
			if n, err := w.Write(p); n != len(p) || err != nil {
				t.Fatalf("sent %d of %d, %v", n, len(p), err)
			}
		}
		write(start(0, 3))
		var got []byte
		for buf := make([]byte, size); ; {
			n, err := w.Read(buf)
			if got = append(got, buf[:n]...); err != nil {
				break
			}
		}
		write(again(setWatches, 0))
		write(again(4, 0))
		if want := slices.Concat(greeting, answer(-2, 0), answer(1, 0)); !bytes.Equal(got, want) {
			t.Errorf("in pieces of %d the library reads\n%q, want\n%q", size, got, want)
		}
		if want := slices.Concat(start(5, 3), again(setWatches, 5), again(4, 0)); !bytes.Equal(sent.Bytes(), want) {
			t.Errorf("the server reads\n%q, want\n%q", sent.Bytes(), want)
		}
		if s.seen != 7 || s.zxid != 9 {
			t.Errorf("seen is %d and the highest %d, want 7 and 9", s.seen, s.zxid)
		}
	}
	first := &wire{Conn: speaking{sent: new(bytes.Buffer)}, session: s, seen: 5}
	if p := first.stamped(start(0, 0)); !bytes.Equal(p, start(0, 0)) {
		t.Errorf("a session that begins has seen nothing: %q", p)
	}
}
