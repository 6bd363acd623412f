// Command processes runs S4 to S7 of the scenarios with servers that are
// processes, over gRPC and HTTP on loopback, and writes what our clients, grpc-go's
// round robin and go-kit's with its Retry make of it.
//
//	go run ./processes                             prints the table
//	go run ./processes -write scenarios/processes.json
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/adsum-go/adsum/bench/scenarios"
)

func main() {
	write := flag.String("write", "", "write the results to this file, for docs/scenarios.md")
	serving := flag.String("serve", "", "be a server: addresses for gRPC and HTTP, with a comma")
	slower := flag.Float64("slower", 1, "how many times longer the server takes")
	fails := flag.Bool("fails", false, "let the server fail at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *serving != "" {
		err = serve(*serving, *slower, *fails)
	} else {
		err = compare(ctx, *write)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func compare(ctx context.Context, write string) error {
	var all scenarios.Processes
	for _, s := range list {
		for _, c := range contestants {
			r, err := s.run(ctx, c)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", s.key, c.name, err)
			}
			fmt.Fprintf(os.Stderr, "%s %s: %+v\n", s.key, c.name, r)
			all.Results = append(all.Results, r)
			if s.gently != nil && c.ours {
				if r, err = s.gentle().run(ctx, c); err != nil {
					return err
				}
				r.Who += ", lifecycle"
				fmt.Fprintf(os.Stderr, "%s %s: %+v\n", s.key, r.Who, r)
				all.Results = append(all.Results, r)
			}
		}
	}
	all.Describe()
	fmt.Print(all.Table())
	if write == "" {
		return nil
	}
	return all.Write(write)
}
