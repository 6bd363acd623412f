package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/cmd/adsum/internal/child"
	"github.com/adsum-go/adsum/cmd/adsum/internal/term"
)

// openRegistry starts a registry, or takes the one that was named, and looks
// at it as a client does.
func (p *play) openRegistry(ctx context.Context) error {
	p.heading(fmt.Sprintf("A registry, %d book servers and a client", p.Servers))
	start := p.startRegistry
	if p.Registry != "" {
		start = p.borrowRegistry
	}
	if err := start(ctx); err != nil {
		return err
	}
	registry, err := p.Open(p.watchURL)
	if err != nil {
		return err
	}
	p.registry = registry
	p.dir = adsum.NewDirectory(registry, adsum.WithLogger(slog.New(slog.DiscardHandler)))
	if p.view, err = p.dir.Open(p.service); err != nil {
		return err
	}
	if p.Registry != "" {
		p.warnSlow(registry.Capabilities())
	}
	ctx, cancel := context.WithTimeout(ctx, slack)
	defer cancel()
	return p.view.Ready(ctx)
}

func (p *play) startRegistry(ctx context.Context) error {
	began := time.Now()
	a, err := p.cast.start(ctx, syscall.SIGTERM, "registry", "serve", "--listen", "127.0.0.1:0", "--while-stdin")
	if err != nil {
		return err
	}
	p.etcd, p.url, p.service = a, a.says, "book"
	p.tell(term.Green, a.name, "a real etcd, process %d, ready after %s: %s", a.PID(), short(time.Since(began)), a.says)
	p.freezer, p.how = a, "SIGSTOP to its process; connections stay open, nothing answers"
	if !child.Freezes {
		if err := p.cutOff(); err != nil {
			return err
		}
	}
	// A client asks every heartbeat whether a silent registry is alive; the
	// default of seconds is right for production and long for a demo.
	p.watchURL = p.url + "?heartbeat=250ms"
	return nil
}

// borrowRegistry uses a registry that is not ours to freeze, under a service
// that is nobody's.
func (p *play) borrowRegistry(context.Context) error {
	p.url, p.service = p.Registry, "adsum-demo-book"
	if err := p.cutOff(); err != nil {
		return err
	}
	p.watchURL = p.url
	u, err := adsum.ParseURL(p.Registry)
	if err == nil {
		p.tell(term.Green, "registry", "%s", u)
	}
	return err
}

// warnSlow tells what a registry cannot do that matters here.
func (p *play) warnSlow(c adsum.Capabilities) {
	switch detection, bounded := c.Detection(ttl); {
	case !bounded:
		p.tell(term.Yellow, "registry", "it never removes a crashed copy by itself")
	case detection > 2*ttl:
		p.tell(term.Yellow, "registry", "a crash may take up to %s to show there", short(detection))
	}
}

// cutOff puts a proxy before every host of the registry.
func (p *play) cutOff() error {
	u, err := adsum.ParseURL(p.url)
	if err != nil {
		return err
	}
	var through []string
	var all freezers
	if len(u.Hosts) == 0 {
		return needsHosts(u, "")
	}
	for _, host := range u.Hosts {
		if _, _, err := net.SplitHostPort(host); err != nil {
			return needsHosts(u, strconv.Quote(host))
		}
		c, err := newCut(host)
		if err != nil {
			return err
		}
		p.cuts = append(p.cuts, c)
		all = append(all, c)
		through = append(through, c.addr())
	}
	p.url = strings.Replace(p.url, strings.Join(u.Hosts, ","), strings.Join(through, ","), 1)
	p.freezer, p.how = all, "cut off; connections stay open, nothing comes through"
	return nil
}

func needsHosts(u *adsum.URL, host string) error {
	return &adsum.InvalidError{Field: "registry URL (" + u.Scheme + "://…)", Value: host,
		Problem: "the demo cuts connections off and needs to know where to", Fix: "write " + u.Scheme + "://host:port"}
}

// freezers freeze together.
type freezers []freezer

func (f freezers) Freeze() error {
	var errs []error
	for _, each := range f {
		errs = append(errs, each.Freeze())
	}
	return errors.Join(errs...)
}

func (f freezers) Thaw() error {
	var errs []error
	for _, each := range f {
		errs = append(errs, each.Thaw())
	}
	return errors.Join(errs...)
}

// close takes everything down, as far as it came up.
func (p *play) close() error {
	p.wait("")
	if p.callers != nil {
		p.callers.end()
	}
	var open []io.Closer
	if p.conn != nil {
		open = append(open, p.conn)
	}
	if p.dir != nil {
		open = append(open, p.dir, p.registry)
	}
	var errs []error
	if p.frozen { // one that stands still would have to be killed, and leave its data behind
		errs = append(errs, p.freezer.Thaw())
	}
	for _, c := range open {
		errs = append(errs, c.Close())
	}
	errs = append(errs, p.cast.end(p.etcd))
	for _, c := range p.cuts {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// tellLogs shows what the processes said, where something went wrong.
func (p *play) tellLogs() {
	for _, a := range p.cast.actors {
		if text := a.log.String(); text != "" {
			fmt.Fprintf(p.Err, "--- %s, process %d\n%s", a.name, a.PID(), text)
		}
	}
}
