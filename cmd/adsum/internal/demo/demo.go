// Package demo shows adsum at work, with processes that are really started,
// killed and frozen.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
	"github.com/adsum-go/adsum/examples/book/bookpb"
	"github.com/adsum-go/adsum/lb"
)

// ErrBroken says that something the demo claims did not happen.
var ErrBroken = errors.New("the demo did not go as claimed")

const (
	// ttl is how long a killed copy stays in the registry. It has to be
	// longer than freeze and a renewal, or the living run out as well.
	ttl    = 4 * time.Second
	freeze = 2 * time.Second
	// slack is added to what a registry says of itself, before a wait is
	// given up.
	slack = 10 * time.Second
)

// Config says what to show and where.
type Config struct {
	Executable string // the adsum that is started for every part
	Servers    int    // how many book servers, 2 at least
	Calls      int    // how many calls to show one by one
	Registry   string // URL of a registry to use; "" starts one
	Open       func(rawURL string) (adsum.Registry, error)

	Out     io.Writer         // the story
	Colours bool              // whether Out takes colours
	Waiting func(text string) // what is waited for; "" when it came
	Err     io.Writer         // what the processes said, if it goes wrong
}

// play is one performance.
type play struct {
	Config
	*story
	cast *cast

	service  string
	url      string // for the servers
	watchURL string // for the client, which looks at the registry more often
	etcd     *actor // the registry, if started here
	freezer  freezer
	how      string // how the registry is frozen
	frozen   bool   // whether it is now
	cuts     []*cut

	registry adsum.Registry
	dir      *adsum.Directory
	view     *adsum.View
	conn     *grpc.ClientConn
	client   bookpb.BookServiceClient
	callers  *callers

	servers []*server
	seen    [][2]string // for the summary
}

// server is a book server, as it is now.
type server struct {
	*actor
	number int
	addr   string
}

// freezer silences the registry without it or its clients being told.
type freezer interface {
	Freeze() error
	Thaw() error
}

// Run plays the demo. It returns an error that wraps [ErrBroken] when it did not go as claimed.
func Run(ctx context.Context, config Config) error {
	p := &play{
		Config: config,
		story:  &story{out: config.Out, colours: config.Colours, wait: config.Waiting, began: time.Now()},
		cast:   &cast{executable: config.Executable},
	}
	err := p.acts(ctx)
	err = errors.Join(err, p.close())
	if ctx.Err() == nil && (err != nil || len(p.failed) > 0) {
		p.tellLogs()
	}
	if err == nil && len(p.failed) > 0 {
		err = fmt.Errorf("%w: %s", ErrBroken, strings.Join(p.failed, "; "))
	}
	return err
}

func (p *play) acts(ctx context.Context) error {
	for _, act := range []func(context.Context) error{
		p.openRegistry, p.startServers, p.rotate, p.killOne, p.freezeRegistry, p.restartOne, p.summarize,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) startServers(ctx context.Context) error {
	for range p.Servers {
		s, began, err := p.startServer(ctx, "127.0.0.1:0")
		if err != nil {
			return err
		}
		if err := p.awaitListed(ctx, s.addr, true); err != nil {
			return err
		}
		p.tell(term.Green, s.name, "%s, process %d; registered and seen by the client after %s", s.addr, s.PID(), short(time.Since(began)))
	}
	return nil
}

// startServer starts the next book server; it listens, but need not be
// registered yet, when this returns.
func (p *play) startServer(ctx context.Context, listen string) (*server, time.Time, error) {
	began := time.Now()
	number := len(p.servers) + 1
	// Whoever lists processes sees their arguments, and a URL may hold a password.
	p.cast.env = []string{"ADSUM_REGISTRY=" + p.url}
	a, err := p.cast.start(ctx, syscall.SIGKILL, fmt.Sprintf("server %d", number), "demo-server",
		"--service", p.service, "--listen", listen, "--ttl", ttl.String())
	if err != nil {
		return nil, began, err
	}
	s := &server{actor: a, number: number, addr: a.says}
	p.servers = append(p.servers, s)
	return s, began, nil
}

// rotate makes the calls that are shown one by one.
func (p *play) rotate(ctx context.Context) error {
	p.heading(fmt.Sprintf("%d calls rotate over %d copies", p.Calls, p.Servers))
	if err := p.connect(ctx); err != nil {
		return err
	}
	var addrs []string
	for i := range p.Calls {
		addr, err := p.call(ctx, i+1)
		if err != nil {
			return err
		}
		addrs = append(addrs, addr)
	}
	p.claim(alternate(addrs, p.Servers), "the calls did not rotate: %q", addrs)
	return nil
}

func (p *play) connect(ctx context.Context) (err error) {
	p.conn, err = adsumgrpc.NewClient(p.dir, p.service,
		grpc.WithTransportCredentials(insecure.NewCredentials()), adsumgrpc.WithPolicy(lb.RoundRobin))
	if err != nil {
		return err
	}
	p.client = bookpb.NewBookServiceClient(p.conn)
	ctx, cancel := context.WithTimeout(ctx, slack)
	defer cancel()
	return adsumgrpc.WaitConnected(ctx, p.conn)
}

// call asks one copy for a book and for the list.
func (p *play) call(ctx context.Context, number int) (addr string, err error) {
	ctx, cancel := context.WithTimeout(adsumgrpc.Pin(ctx), callTimeout)
	defer cancel()
	var copy adsum.Instance
	info, err := p.client.GetBookInfo(ctx, &bookpb.BookInfoParams{BookId: 1}, adsumgrpc.Answered(&copy))
	if err != nil {
		return "", err
	}
	list, err := p.client.GetBookList(ctx, &bookpb.BookListParams{})
	if err != nil {
		return "", err
	}
	p.tell(term.Cyan, fmt.Sprintf("call %d", number), "%s  book %d: %s, of %d in the list", copy.Addr, info.BookId, info.BookName, len(list.BookList))
	return copy.Addr, nil
}

// alternate tells whether any n calls in a row went to n copies.
func alternate(addrs []string, n int) bool {
	for i := 0; i+n <= len(addrs); i++ {
		if len(slices.Compact(slices.Sorted(slices.Values(addrs[i:i+n])))) != n {
			return false
		}
	}
	return true
}
