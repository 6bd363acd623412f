package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"syscall"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

// fleet is the servers of one run, and the registry that our clients read.
type fleet struct {
	copies   []*process
	registry *memory.Registry
	dir      *adsum.Directory
}

// process is one server; it keeps its addresses when it is restarted.
type process struct {
	grpc, http   string
	args         []string
	cmd          *exec.Cmd
	input        io.Closer
	registration *adsum.Registration
}

var quiet = adsum.WithLogger(slog.New(slog.DiscardHandler))

func newFleet(ctx context.Context, n int, args func(i int) []string) (f *fleet, err error) {
	f = &fleet{registry: memory.New()}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	f.dir = adsum.NewDirectory(f.registry, quiet)
	for i := range n {
		p := &process{args: args(i)}
		if p.grpc, err = freeAddr(); err != nil {
			return f, err
		}
		if p.http, err = freeAddr(); err != nil {
			return f, err
		}
		f.copies = append(f.copies, p)
		if err = p.start(); err != nil {
			return f, err
		}
		if err = f.register(ctx, p); err != nil {
			return f, err
		}
	}
	return f, nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (f *fleet) register(ctx context.Context, p *process) (err error) {
	in := adsum.Instance{Service: service, ID: p.grpc, Addr: p.grpc, Endpoints: map[string]string{"grpc": p.grpc, "http": p.http}}
	if p.registration, err = adsum.Register(f.registry, in, quiet); err != nil {
		return err
	}
	_, err = p.registration.Wait(ctx, func(s adsum.RegistrationState) bool { return s.Registered })
	return err
}

func (f *fleet) close() {
	for _, p := range f.copies {
		p.kill()
		if p.registration != nil {
			_ = p.registration.Close(context.Background())
		}
	}
	f.dir.Close()
	f.registry.Close()
}

// start returns once the server listens.
func (p *process) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p.cmd = exec.Command(self, append([]string{"-serve", p.grpc + "," + p.http}, p.args...)...)
	p.cmd.Stderr = os.Stderr
	if p.input, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		p.kill()
		return fmt.Errorf("the server at %s did not start: %w", p.grpc, err)
	}
	return nil
}

// kill ends it at once, and waits until it is gone.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	_ = p.input.Close()
	p.cmd = nil
}

// finish lets it finish what it has.
func (p *process) finish() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
	_ = p.input.Close()
	p.cmd = nil
}

func (p *process) freeze() { _ = p.cmd.Process.Signal(syscall.SIGSTOP) }
