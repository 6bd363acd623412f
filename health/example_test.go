package health_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/adsum-go/adsum/health"
)

// Two checks combine to the worst; the one that is a warning only does not
// take the program out.
func Example() {
	free := 3
	checker, err := health.Start([]health.Check{
		{Name: "database", Probe: health.Func(func(ctx context.Context) error { return nil })},
		{Name: "disk", WarningOnly: true, Probe: health.Func(func(ctx context.Context) error {
			if free < 5 {
				return fmt.Errorf("%d GB left", free)
			}
			return nil
		})},
	}, health.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer checker.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	fmt.Println(checker.WaitReady(ctx))
	fmt.Println(checker.Status())
	// Output:
	// <nil>
	// warning disk: 3 GB left
}

// The application beats out of its own work, and may say that it cannot go on.
func ExampleBeat() {
	beat := health.NewBeat(15 * time.Second)
	checker, err := health.Start([]health.Check{{Name: "worker", Probe: beat}}, health.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer checker.Close()

	beat.OK() // after each unit of work
	fmt.Println("ready:", checker.WaitReady(context.Background()))

	changed := checker.Changed()
	beat.Fail(errors.New("queue full"))
	<-changed
	fmt.Println(checker.Status())
	// Output:
	// ready: <nil>
	// critical worker: queue full
}

// A check may come as text, such as a command's flag.
func ExampleParsers_Parse() {
	_, err := health.Standard().Parse("grpc://127.0.0.1:50051")
	fmt.Println(err)
	// Output:
	// invalid check: it does not begin with a kind of check that this program knows; begin with one of: exec, http, https, tcp; for example http://127.0.0.1:8080/healthz
}
