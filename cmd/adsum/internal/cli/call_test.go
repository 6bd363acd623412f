package cli_test

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/examples/book"
	"github.com/adsum-go/adsum/examples/book/bookpb"
)

const bookInfo = "book.BookService/GetBookInfo"

// serveBooks starts a book server and registers it as a copy of "book".
func (b *bench) serveBooks(reflects bool) string {
	b.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	server := grpc.NewServer()
	bookpb.RegisterBookServiceServer(server, book.Shelf{})
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	if reflects {
		reflection.Register(server)
	}
	go server.Serve(listener)
	b.t.Cleanup(server.Stop)
	b.register(adsum.Instance{Service: "book", Addr: listener.Addr().String()})
	return listener.Addr().String()
}

// serveWeb starts a web server and registers it as a copy of "web".
func (b *bench) serveWeb(handler http.HandlerFunc) string {
	b.t.Helper()
	server := httptest.NewServer(handler)
	b.t.Cleanup(server.Close)
	addr := server.Listener.Addr().String()
	b.register(adsum.Instance{Service: "web", Addr: addr})
	return addr
}

// callDocument is what call -o json prints.
type callDocument struct {
	Calls []struct {
		N        int
		Addr     string
		Status   string
		Seconds  float64
		Response json.RawMessage
		Error    string
	}
	Spread []struct {
		ID     string
		Calls  int
		Failed int
	}
}

func (r result) callDocument(t *testing.T) callDocument {
	t.Helper()
	var doc callDocument
	if err := json.Unmarshal([]byte(r.out), &doc); err != nil {
		t.Fatalf("%v: exit %d, stdout %q, stderr %q", err, r.code, r.out, r.err)
	}
	return doc
}

func TestCallPrintsTheAnswerAndNotesWhoGaveIt(t *testing.T) {
	b := newBench(t)
	addr := b.serveBooks(true)
	r := b.run("call", "book", bookInfo, "-d", `{"book_id":1}`)
	if want := "{\n  \"bookId\": 1,\n  \"bookName\": \"21天精通php\"\n}\n"; r.code != 0 || r.out != want {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
	if !strings.HasPrefix(r.err, addr+" answered OK in ") {
		t.Errorf("stderr %q", r.err)
	}
}

func TestCallSpreadsOverTheCopiesAndSaysHow(t *testing.T) {
	b := newBench(t)
	addrs := []string{b.serveBooks(true), b.serveBooks(true)}
	slices.Sort(addrs)
	doc := b.run("call", "book", bookInfo, "-d", `{"book_id":2}`, "-n", "10", "-c", "3", "--policy", "round_robin", "-o", "json").callDocument(t)
	if len(doc.Calls) != 10 || len(doc.Spread) != 2 {
		t.Fatalf("%d calls, spread %+v", len(doc.Calls), doc.Spread)
	}
	for i, c := range doc.Calls {
		if c.N != i+1 || c.Status != "OK" || c.Error != "" || c.Seconds <= 0 || string(c.Response) == "null" {
			t.Errorf("call %d: %+v", i+1, c)
		}
	}
	for i, s := range doc.Spread {
		if s.ID != addrs[i] || s.Calls != 5 || s.Failed != 0 {
			t.Errorf("share %d: %+v", i, s)
		}
	}
	r := b.run("call", "book", bookInfo, "-d", `{"book_id":2}`, "-n", "4", "--policy", "round_robin")
	if r.code != 0 || strings.Count(r.out, "21天精通java") != 4 || strings.Count(r.out, "2      50%") != 2 {
		t.Errorf("table: exit %d, %q", r.code, r.out)
	}
	lines := strings.Fields(b.run("call", "book", bookInfo, "-d", `{"book_id":2}`, "-n", "4", "-o", "name", "--policy", "maglev", "--key", "x").out)
	if len(lines) != 4 || len(slices.Compact(lines)) != 1 {
		t.Errorf("calls of one key went to %q", lines)
	}
}

func TestCallTellsByItsExitCodeWhatFailed(t *testing.T) {
	b := newBench(t)
	b.serveBooks(true)
	b.register(adsum.Instance{Service: "down", Addr: refusing(t)})
	b.register(adsum.Instance{Service: "sick", Addr: "127.0.0.1:1", Status: adsum.Critical})
	b.serveWeb(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusTeapot)
	})
	for _, step := range []struct {
		code int
		args string
		says string
	}{
		{3, "book " + bookInfo + ` -d {"book_id":99}`, "NotFound: there is no book 99"},
		{3, "book " + bookInfo + ` -d {"book_id":99} -n 3`, "3 of 3 calls failed; the first: NotFound"},
		{3, "web /", "HTTP 418"},
		{2, "down /", "refused"},
		{2, "down " + bookInfo, "refused"},
		{4, "nothere " + bookInfo, "no instance"},
		{4, "sick /", "none of the 1 instances"},
		{4, "book book.BookService/Nothing", "but GetBookInfo, GetBookList"},
		{4, "book book.Nothing/Nothing", "but book.BookService"},
		{5, "web /hang --timeout 100ms", "deadline exceeded"},
		{1, "book Method", "package.Service/Method"},
		{1, "book " + bookInfo + ` -d {"nothing":1}`, `unknown field "nothing"`},
		{1, "book " + bookInfo + ` -d {`, "not JSON"},
		{1, "book " + bookInfo + ` -d {}{}`, "takes one message, not 2"},
		{1, "book " + bookInfo + " -d @/does/not/exist", "no such file"},
		{1, "book " + bookInfo + " -H nonsense", "Name: value"},
		{1, "book " + bookInfo + " -H a:b\x01", "control character"},
		{1, "book " + bookInfo + " -X PUT", "no path"},
		{1, "book " + bookInfo + " -n 0", "1 is the least"},
		{1, "book " + bookInfo + " --retries -1", "0 is the least"},
		{1, "book " + bookInfo + " --policy best", "round_robin"},
		{1, "book " + bookInfo + " --tls-ca /does/not/exist", "--tls-ca"},
		{1, "book " + bookInfo + " --proto /does/not/exist.proto", "exist.proto"},
		{1, "a/b " + bookInfo, "'/'"},
	} {
		r := b.run(append([]string{"call"}, strings.Fields(step.args)...)...)
		if r.code != step.code || !strings.Contains(r.err, step.says) {
			t.Errorf("%s: exit %d, want %d; stderr %q", step.args, r.code, step.code, r.err)
		}
	}
}

// refusing is an address where nothing listens.
func refusing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestCallReadsAProtoFileWhereThereIsNoReflection(t *testing.T) {
	b := newBench(t)
	b.serveBooks(false)
	r := b.run("call", "book", bookInfo, "-d", `{"book_id":1}`)
	if r.code != 3 || !strings.Contains(r.err, "--proto") {
		t.Errorf("without: exit %d, %q", r.code, r.err)
	}
	request := filepath.Join(t.TempDir(), "request.json")
	if err := os.WriteFile(request, []byte(`{"book_id":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r = b.run("call", "book", bookInfo, "-d", "@"+request, "--proto", "../../../../examples/book/bookpb/book.proto")
	if r.code != 0 || !strings.Contains(r.out, "21天精通java") {
		t.Errorf("with: exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
}

func TestCallStreamsBothWays(t *testing.T) {
	b := newBench(t)
	b.serveBooks(true)
	for _, name := range []string{"v1", "v1alpha"} {
		r := b.run("call", "book", fmt.Sprintf("grpc.reflection.%s.ServerReflection/ServerReflectionInfo", name),
			"-d", `{"listServices":""} {"fileContainingSymbol":"nothing.There"}`, "-o", "json")
		doc := r.callDocument(t)
		var answers []json.RawMessage
		if err := json.Unmarshal(doc.Calls[0].Response, &answers); err != nil || len(answers) != 2 {
			t.Fatalf("%v: %s", err, r.out)
		}
		if !strings.Contains(string(answers[0]), "book.BookService") || !strings.Contains(string(answers[1]), "errorResponse") {
			t.Errorf("%s: %s", name, answers)
		}
	}
	// A stream that never ends ends with the time that the call has.
	r := b.run("call", "book", "grpc.health.v1.Health/Watch", "--timeout", "300ms")
	if r.code != 5 || !strings.Contains(r.out, "SERVING") {
		t.Errorf("watch: exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
}

func TestCallSendsHeadersAndBodiesOverHTTP(t *testing.T) {
	b := newBench(t)
	addr := b.serveWeb(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s %s %s\x1b\n", r.Method, r.URL, r.Host, r.Header.Get("X-Test"), r.Header.Get("Idempotency-Key"))
	})
	for _, step := range []struct{ args, want string }{
		{"/list?a=b -H X-Test:1 -H Host:books.example", "GET /list?a=b books.example 1 \x1b\n"},
		{"/list -d body", "POST /list web  \x1b\n"},
		{"/list -X DELETE -H Idempotency-Key:k --idempotent", "DELETE /list web  k\x1b\n"},
	} {
		r := b.run(append([]string{"call", "web"}, strings.Fields(step.args)...)...)
		if r.code != 0 || r.out != step.want || !strings.HasPrefix(r.err, addr+" answered 200 in ") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", step.args, r.code, r.out, r.err)
		}
	}
	b.terminal = true
	if r := b.run("call", "web", "/"); strings.Contains(r.out, "\x1b\n") || !strings.Contains(r.out, `\x1b`) {
		t.Errorf("on a terminal: %q", r.out)
	}
}

func TestCallTrustsWhatItIsToldTo(t *testing.T) {
	b := newBench(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	b.register(adsum.Instance{Service: "web", Addr: server.Listener.Addr().String()})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		code int
		args string
		says string
	}{
		{0, "--tls-ca " + ca + " --tls-name example.com", "answered 200"},
		{0, "--tls-insecure", "answered 200"},
		{2, "--tls-ca " + ca, "certificate is valid for"},
		{2, "--tls --tls-name example.com", "unknown authority"},
		{1, "--tls-cert " + ca, "--tls-cert and --tls-key"},
		{1, "--tls-ca /dev/null", "no certificate in"},
	} {
		r := b.run(append([]string{"call", "web", "/"}, strings.Fields(step.args)...)...)
		if r.code != step.code || !strings.Contains(r.err, step.says) {
			t.Errorf("%s: exit %d, stderr %q", step.args, r.code, r.err)
		}
	}
}

func TestCallIsTriedElsewhereOnlyWhereThatIsSafe(t *testing.T) {
	b := newBench(t)
	b.serveWeb(func(w http.ResponseWriter, _ *http.Request) {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			conn.Close() // it may have done what it was asked to, or not
		}
	})
	b.serveWeb(func(http.ResponseWriter, *http.Request) {})
	for _, step := range []struct {
		args   string
		failed int
	}{
		{"-d order", 2},
		{"-d order --idempotent", 0},
		{"-d order --idempotent --retries 0", 2},
		{"-X GET", 0},
	} {
		doc := b.run(append([]string{"call", "web", "/", "-n", "4", "--policy", "round_robin", "-o", "json"}, strings.Fields(step.args)...)...).callDocument(t)
		failed := 0
		for _, s := range doc.Spread {
			failed += s.Failed
		}
		if failed != step.failed {
			t.Errorf("%s: %d failed, want %d: %+v", step.args, failed, step.failed, doc)
		}
	}
}

func TestACallThatTakesLongIsHedged(t *testing.T) {
	b := newBench(t)
	var served atomic.Int64
	b.serveWeb(func(_ http.ResponseWriter, r *http.Request) {
		if n := served.Add(1); n > 55 && n <= 60 { // latencies are known after a hundred calls, half of which come here
			<-r.Context().Done()
		}
	})
	b.serveWeb(func(http.ResponseWriter, *http.Request) {})
	r := b.run("call", "web", "/", "-n", "140", "--policy", "round_robin", "--retries", "0", "--hedge", "0.99", "--timeout", "20s", "-o", "json")
	if doc := r.callDocument(t); r.code != 0 || len(doc.Calls) != 140 || served.Load() < 60 {
		t.Errorf("five of 140 calls got no answer from one of two copies: exit %d, %s, shares %+v", r.code, r.err, doc.Spread)
	}
	for _, wrong := range []string{"1", "-0.5", "nan"} {
		if r := b.run("call", "web", "/", "--hedge", wrong); r.code != 1 || !strings.Contains(r.err, "--hedge") {
			t.Errorf("--hedge %s: exit %d, %q", wrong, r.code, r.err)
		}
	}
}

func TestACallThatIsStoppedSaysWhatItWaitedFor(t *testing.T) {
	b := newBench(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	b.register(adsum.Instance{Service: "book", Addr: silent.Addr().String()})
	p := b.start("call", "book", bookInfo, "--timeout", "0")
	conn, err := silent.Accept() // and say nothing
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p.stop()
	if r := p.wait(); r.code != 3 || !strings.HasSuffix(r.err, " while asking the service for its methods\n") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	b.server.Freeze()
	for _, args := range []string{"call book " + bookInfo, "call book /list", "bench book /list"} {
		p := b.start(strings.Fields(args)...)
		p.stop()
		if r := p.wait(); r.code != 3 || !strings.HasSuffix(r.err, " while waiting for memory:\n") {
			t.Errorf("%s: exit %d: %s", args, r.code, r.err)
		}
	}
}
