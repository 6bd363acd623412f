package etcd

import (
	"testing"

	"github.com/adsum-go/adsum"
)

func TestKeysLieWhereForeignReadersLook(t *testing.T) {
	for _, test := range []struct {
		namespace, base string
		want            keys
	}{
		{"", "/services", keys{"/services/book/i1", "/adsum/v1/services/book/i1/record", "/adsum/v1/services/book/i1/override"}},
		{"", "", keys{"book/i1", "/adsum/v1/book/i1/record", "/adsum/v1/book/i1/override"}},
		{"kitex", "registry-etcd", keys{"kitex/registry-etcd/book/i1", "kitex/adsum/v1/registry-etcd/book/i1/record", "kitex/adsum/v1/registry-etcd/book/i1/override"}},
	} {
		l, err := newLayout(test.namespace, test.base)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.keys("book", "i1"); got != test.want {
			t.Errorf("%q, %q\n got %v\nwant %v", test.namespace, test.base, got, test.want)
		}
		for key, want := range map[string]kind{test.want.public: publicRecord, test.want.record: privateRecord, test.want.override: override} {
			if service, id, k := l.split(key); service != "book" || id != "i1" || k != want {
				t.Errorf("%s is split into %s, %s, %d", key, service, id, k)
			}
		}
	}
}

func TestOddKeysAreNobodys(t *testing.T) {
	l, err := newLayout("", "/services")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", "/services/", "/services/book", "/services/book/", "/other/book/i1",
		"/adsum/v1/services/book/i1", "/adsum/v1/services/book/i1/mark", "/adsum/v1/services/eu/book/i1/record"} {
		if service, id, k := l.split(key); k != other {
			t.Errorf("%s is split into %s, %s, %d", key, service, id, k)
		}
	}
}

func TestForeignKeysBecomeIDsAndBack(t *testing.T) {
	l, err := newLayout("", "/services")
	if err != nil {
		t.Fatal(err)
	}
	for rest, id := range map[string]string{
		"10.0.0.1:80":          "10.0.0.1:80",
		"[fe80::1%25eth0]:80":  "[fe80::1%25eth0]:80",
		"http://10.0.0.1:7011": "http:%2F%2F10.0.0.1:7011",
		"a b%":                 "a%20b%25",
		"\x1b[31m":             "%1B[31m",
		"书":                    "%E4%B9%A6",
	} {
		if got := idOfKey(rest); got != id || adsum.ValidateID(got) != nil {
			t.Errorf("%q becomes %q, want %q", rest, got, id)
		}
		key, foreign := l.foreignKey("book", id)
		if foreign != (rest != id) || foreign && key != "/services/book/"+rest {
			t.Errorf("%q goes back to %q, %t", id, key, foreign)
		}
	}
}

func FuzzForeignKeysBecomeIDs(f *testing.F) {
	for _, rest := range []string{"10.0.0.1:80", "http://10.0.0.1:7011", "a b%", "\x1b[31m", "..", "%2F", "a/b"} {
		f.Add(rest)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		l, err := newLayout("", "/services")
		if err != nil {
			t.Fatal(err)
		}
		service, id, k := l.split("/services/book/" + rest)
		if rest == "" || k != publicRecord || service != "book" {
			if rest != "" {
				t.Fatalf("%q is split into %q, %q, %d", rest, service, id, k)
			}
			return
		}
		if len(id) > 255 {
			return // refused when it is decoded
		}
		if err := adsum.ValidateID(id); err != nil {
			t.Errorf("%q becomes %q: %v", rest, id, err)
		}
		if key, ok := l.foreignKey("book", id); id != rest && (!ok || key != "/services/book/"+rest) {
			t.Errorf("%q becomes %q and goes back to %q, %t", rest, id, key, ok)
		}
	})
}
