package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
	"github.com/adsum-go/adsum/cmd/adsum/internal/cli"
	"github.com/adsum-go/adsum/memory"
)

func TestMain(m *testing.M) {
	if program := os.Getenv("ADSUM_TEST_PROGRAM"); program != "" {
		web(program)
		return
	}
	adsumtest.VerifyNoLeaks(m)
}

// web is the program that run runs: a web server that ends with the code it
// is told to, and is as healthy as it is told to be.
func web(addr string) {
	var sick atomic.Bool
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/sick", func(http.ResponseWriter, *http.Request) { sick.Store(true) })
	http.HandleFunc("/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for sig := range signals {
			fmt.Println("program got", sig)
			if sig == syscall.SIGTERM || sig == os.Interrupt {
				os.Exit(0)
			}
		}
	}()
	fmt.Println("program started")
	fmt.Println(http.ListenAndServe(addr, nil))
	os.Exit(1)
}

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// bench runs commands inside this process, all on one registry in memory.
type bench struct {
	t      *testing.T
	server *memory.Server
	other  *memory.Server // behind other:
	// terminal tells whether standard output and error are one.
	terminal bool
}

func newBench(t *testing.T) *bench { return &bench{t: t, server: memory.NewServer()} }

func (b *bench) openers() adsum.Openers {
	return adsum.Openers{
		"memory":  func(string) (adsum.Registry, error) { return b.server.Client(), nil },
		"hostile": func(string) (adsum.Registry, error) { return hostile{b.server.Client()}, nil },
		"other":   func(string) (adsum.Registry, error) { return b.other.Client(), nil },
		"rotated": func(string) (adsum.Registry, error) { return &rotated{Registry: b.server.Client()}, nil },
		"plain":   func(string) (adsum.Registry, error) { return plain{b.server.Client()}, nil },
	}
}

// plain hides the optional parts of a registry.
type plain struct{ adsum.Registry }

func (b *bench) run(args ...string) result {
	b.t.Helper()
	p := b.start(args...)
	return p.wait()
}

// running is a command under way.
type running struct {
	t        *testing.T
	stop     context.CancelFunc
	done     chan int
	out, err *buffer
}

func (b *bench) start(args ...string) *running {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	p := &running{t: b.t, stop: stop, done: make(chan int, 1), out: &buffer{}, err: &buffer{}}
	streams := cli.Streams{In: strings.NewReader(""), Out: p.out, Err: p.err, OutTerminal: b.terminal, ErrTerminal: b.terminal}
	args = append([]string{"--registry", "memory:"}, args...)
	go func() { p.done <- cli.Run(ctx, args, streams, b.openers()) }()
	b.t.Cleanup(stop)
	return p
}

func (p *running) wait() result {
	p.t.Helper()
	select {
	case code := <-p.done:
		return result{code, p.out.String(), p.err.String()}
	case <-time.After(30 * time.Second):
		p.t.Fatalf("still running; stdout %q, stderr %q", p.out, p.err)
		return result{}
	}
}

// buffer may be written and read at once, and waited on.
type buffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.more != nil {
		close(b.more)
		b.more = nil
	}
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// await waits until the text was written.
func (b *buffer) await(t *testing.T, text string) {
	t.Helper()
	b.awaitTimes(t, text, 1)
}

// awaitTimes waits until the text was written so many times.
func (b *buffer) awaitTimes(t *testing.T, text string, n int) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		b.mu.Lock()
		if b.more == nil {
			b.more = make(chan struct{})
		}
		more, found := b.more, strings.Count(b.b.String(), text) >= n
		b.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-limit:
			t.Fatalf("%q was not written; got %q", text, b.String())
		}
	}
}

var _ io.Writer = (*buffer)(nil)

// register keeps an instance until the test ends.
func (b *bench) register(in adsum.Instance) *adsum.Registration {
	b.t.Helper()
	reg, err := adsum.Register(b.server.Client(), in, adsum.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { reg.Close(context.Background()) })
	if _, err := reg.Wait(b.t.Context(), func(s adsum.RegistrationState) bool { return s.Registered }); err != nil {
		b.t.Fatal(err)
	}
	return reg
}
