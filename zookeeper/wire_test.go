package zookeeper

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
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
		for rest := stream; len(rest) > 0; {
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
		for rest := stream; len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			pieces.take(rest[:n], count(&some))
			rest = rest[n:]
		}
		if all != some || whole.greeted != pieces.greeted {
			t.Errorf("at once %d and %t, in pieces %d and %t", all, whole.greeted, some, pieces.greeted)
		}
	})
}
