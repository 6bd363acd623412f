package memory_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/memory"
)

// A test of a program can take the registry away from one side and see what
// the other does.
func Example() {
	ctx := context.Background()
	quiet := adsum.WithLogger(slog.New(slog.DiscardHandler))
	server := memory.NewServer()

	reg, err := adsum.Register(server.Client(), adsum.Instance{Service: "book", Addr: "10.0.0.5:50051"}, quiet)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	if _, err := reg.Wait(ctx, func(s adsum.RegistrationState) bool { return s.Registered }); err != nil {
		fmt.Println(err)
		return
	}

	caller := server.Client()
	dir := adsum.NewDirectory(caller, quiet)
	defer dir.Close()
	snapshot, err := dir.Snapshot(ctx, "book")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("known:", snapshot.Instances[0])

	caller.Cut()
	found, err := dir.Discover(ctx, "book", "", true)
	fmt.Println("cut off:", len(found), err)
	// Output:
	// known: book/10.0.0.5:50051
	// cut off: 1 <nil>
}
