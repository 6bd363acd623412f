package cli_test

import (
	"context"
	"strings"
	"testing"
	"unicode"

	"github.com/adsum-go/adsum"
)

// hostile is a registry in which somebody wrote what a terminal would obey.
type hostile struct{ adsum.Registry }

const attack = "a\x1b[2J\x1b]0;owned\x07\u009b31m\u202egnp.exe\r\nfake line\x00\U000e0041"

func (hostile) Watch(ctx context.Context, service string, emit func(adsum.Listing)) error {
	emit(adsum.Listing{
		Instances: []*adsum.Instance{{
			ID: "1" + attack, Service: service, Addr: "127.0.0.1:1" + attack, Weight: 1, Zone: attack, Version: attack,
			Tags: []string{attack}, Metadata: map[string]string{attack: attack}, Endpoints: map[string]string{"http": attack},
			Status: adsum.Warning, Reason: attack, Reported: adsum.Status(attack),
		}},
		Skipped: []adsum.Skipped{{Key: attack, Err: adsum.ErrNotFound}},
	})
	<-ctx.Done()
	return nil
}

func (hostile) WatchServices(ctx context.Context, emit func([]string)) error {
	emit([]string{"book", "book" + attack})
	<-ctx.Done()
	return nil
}

func TestNothingThatATerminalObeysGetsThrough(t *testing.T) {
	b := newBench(t)
	for _, args := range [][]string{
		{"instances", "book", "--all"}, {"resolve", "book"}, {"resolve", "book", "--protocol", "http"}, {"services"}, {"explain", "book"},
	} {
		for _, format := range []string{"table", "wide", "json", "jsonl", "yaml", "name"} {
			r := b.run(append(args, "-o", format, "--registry", "hostile:")...)
			checkPlain(t, strings.Join(args, " ")+" -o "+format, r.out+r.err)
		}
	}
	for _, format := range []string{"table", "jsonl", "yaml"} {
		w := b.start("watch", "book", "-o", format, "--registry", "hostile:")
		w.out.await(t, "\n")
		w.stop()
		r := w.wait()
		checkPlain(t, "watch -o "+format, r.out+r.err)
	}
}

func TestAnIllFormedNameHidesNoService(t *testing.T) {
	r := newBench(t).run("services", "--registry", "hostile:")
	if r.code != 0 || !strings.Contains(r.out, "book     1") || !strings.Contains(r.err, "skipped: ") {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
}

func checkPlain(t *testing.T, command, text string) {
	t.Helper()
	if text == "" {
		t.Errorf("adsum %s printed nothing", command)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("adsum %s lets %q through", command, text[max(0, i-10):min(len(text), i+10)])
	}
	if strings.Contains(text, "\nfake line") {
		t.Errorf("adsum %s lets a line break through", command)
	}
}
