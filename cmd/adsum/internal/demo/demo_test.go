package demo

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }

func TestCallsAlternateOnlyIfEveryWindowHoldsEveryCopy(t *testing.T) {
	for text, want := range map[string]bool{"ababab": true, "abab": true, "aabb": false, "abba": false, "a": true} {
		if got := alternate(strings.Split(text, ""), 2); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestABrokenClaimIsToldAndMakesTheDemoFail(t *testing.T) {
	var out strings.Builder
	s := &story{out: &out, wait: func(string) {}, began: time.Now()}
	s.claim(true, "kept")
	s.claim(false, "%d calls failed", 3)
	if len(s.failed) != 1 || !strings.Contains(out.String(), "BROKEN     3 calls failed") || strings.Contains(out.String(), "kept") {
		t.Errorf("failed %q, told %q", s.failed, out.String())
	}
}

func TestACutHoldsBackWhatIsSentUntilItIsThawed(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	c, err := newCut(echo.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn, err := net.Dial("tcp", c.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer := make([]byte, 4)
	exchange := func(wait time.Duration) error {
		conn.SetDeadline(time.Now().Add(wait))
		_, err := io.ReadFull(conn, answer)
		return err
	}
	conn.Write([]byte("ping"))
	if err := exchange(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	c.Freeze()
	conn.Write([]byte("held"))
	if err := exchange(50 * time.Millisecond); err == nil {
		t.Errorf("%q came through the cut", answer)
	}
	c.Thaw()
	if err := exchange(10 * time.Second); err != nil || string(answer) != "held" {
		t.Errorf("after the thaw: %q, %v", answer, err)
	}
}

func TestARegistryThatCannotBeCutOffIsRefused(t *testing.T) {
	for raw, fix := range map[string]string{"memory:": "memory://host:port", "consul://127.0.0.1": "consul://host:port"} {
		p := &play{url: raw}
		if err := p.cutOff(); !errors.Is(err, adsum.ErrInvalid) || !strings.Contains(err.Error(), fix) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
