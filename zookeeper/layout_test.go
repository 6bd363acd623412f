package zookeeper

import (
	"net/url"
	"testing"

	"github.com/adsum-go/adsum"
)

func TestLayoutKeepsOursOutOfTheServicesDirectory(t *testing.T) {
	for _, test := range []struct {
		chroot, base string
		want         nodes
	}{
		{"", "services", nodes{"/services/book/i1", "/adsum/v1/records/services/book/i1", "/adsum/v1/overrides/services/book/i1"}},
		{"", "", nodes{"/book/i1", "/adsum/v1/records/book/i1", "/adsum/v1/overrides/book/i1"}},
		{"/team/a/", "/x/y/", nodes{"/team/a/x/y/book/i1", "/team/a/adsum/v1/records/x/y/book/i1", "/team/a/adsum/v1/overrides/x/y/book/i1"}},
	} {
		l, err := newLayout(test.chroot, test.base)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.nodes("book", "i1"); got != test.want {
			t.Errorf("%q and %q: %v, want %v", test.chroot, test.base, got, test.want)
		}
		if got, want := l.public("book"), parent(test.want.public); got != want {
			t.Errorf("directory %s, want %s", got, want)
		}
	}
}

func TestHostsAreTriedInTurnWithAPauseAfterEachRound(t *testing.T) {
	h := newHosts([]string{"a:1", "b:1", "c:1"})
	seen := map[string]int{}
	for i := range 6 {
		host, pause := h.Next()
		seen[host]++
		if pause != (i == 3) {
			t.Errorf("attempt %d: pause %t", i+1, pause)
		}
	}
	if len(seen) != h.Len() || seen["a:1"] != 2 {
		t.Errorf("tried %v", seen)
	}
	h.Connected()
	if _, pause := h.Next(); pause {
		t.Error("a pause after a connection that was well")
	}
	h.close()
	if _, pause := h.Next(); !pause {
		t.Error("the library would not notice that it was closed")
	}
}

func FuzzIDOfNode(f *testing.F) {
	for _, name := range []string{"10.0.0.1:80", "odd name", "..", "%2F", "_c_862c-0000000001", "21天", "\x1b[31m"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) == 0 || len(name) > 80 {
			return // no node has an empty name; a long one may make too long an id
		}
		id := idOfNode(name)
		if name != "." && name != ".." {
			if err := adsum.ValidateID(id); err != nil {
				t.Fatalf("%q becomes %q: %v", name, id, err)
			}
		}
		if id == name {
			return
		}
		if back, err := url.PathUnescape(id); err != nil || back != name {
			t.Errorf("%q becomes %q, and that %q, %v", name, id, back, err)
		}
	})
}
