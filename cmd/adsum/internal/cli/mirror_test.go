package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
	"github.com/adsum-go/adsum/mirror"
)

func TestMirrorKeepsServicesUntilStopped(t *testing.T) {
	b := newBench(t)
	b.other = memory.NewServer()
	b.register(adsum.Instance{Service: "book", Addr: "127.0.0.1:1"})
	p := b.start("mirror", "memory:", "other:", "--service", "book")
	p.err.await(t, "mirroring from memory")
	p.err.await(t, "registered")
	records := b.other.Records("book")
	if len(records) != 1 {
		t.Fatalf("%d images", len(records))
	}
	r := b.run("--registry", "other:", "instances", "book", "-o", "json")
	if !strings.Contains(r.out, mirror.OriginKey) {
		t.Errorf("the image is not marked: %s", r.out)
	}
	p.stop()
	if r := p.wait(); r.code != 0 || r.out != "" {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
	if n := len(b.other.Records("book")); n != 0 {
		t.Errorf("%d images left", n)
	}
}

func TestMirrorRefusesWhatCannotWork(t *testing.T) {
	b := newBench(t)
	for args, says := range map[string]string{
		"mirror memory: nosuch:":                                "TO: ",
		"mirror nosuch: memory:":                                "FROM: ",
		"mirror memory:":                                        "1 arguments given",
		"mirror memory: memory: --ttl 0s":                       "--ttl",
		"mirror memory: memory: --service a/b":                  "'/'",
		"mirror plain: memory:":                                 "cannot list",
		"mirror memory: memory: --ttl -" + time.Second.String(): "--ttl",
	} {
		if r := b.run(strings.Fields(args)...); r.code == 0 || !strings.Contains(r.err, says) || strings.Contains(r.err, "until stopped") {
			t.Errorf("%s: exit %d, %q", args, r.code, r.err)
		}
	}
}
