package lifecycle_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/lifecycle"
	"github.com/adsum-go/adsum/memory"
)

// echo is a server of a protocol of its own: it sends back what it gets. It
// has no health to report and no calls to wait for.
type echo struct{ net.Listener }

func (e echo) Serve() error {
	for {
		conn, err := e.Accept()
		if err != nil {
			return nil // closed
		}
		go func() {
			defer conn.Close()
			io.Copy(conn, conn)
		}()
	}
}

func (e echo) SetServing(bool) {}

func (e echo) Shutdown(context.Context) error { return e.Close() }

// Run gives any server a life as one copy of a service.
func ExampleRun() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	err = lifecycle.Run(ctx, echo{listener}, memory.New(), adsum.Instance{Service: "echo"},
		lifecycle.WithDrainDelay(0),
		lifecycle.WithLogger(slog.New(slog.DiscardHandler)),
		lifecycle.OnRegister(func(reg *adsum.Registration) {
			fmt.Println("serving", reg.Instance().Service)
			stop() // a real server goes on until SIGTERM
		}))
	fmt.Println("stopped", err)
	// Output:
	// serving echo
	// stopped <nil>
}
