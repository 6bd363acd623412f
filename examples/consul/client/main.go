// Command client asks the titles for a book, over and over until Ctrl-C, and
// says which copy answered.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/adsum-go/adsum"
	titles "github.com/adsum-go/adsum/examples/consul"
)

func main() {
	agent := flag.String("agent", "127.0.0.1:8500", "host:port of the Consul agent")
	tag := flag.String("tag", "", "ask only copies with this tag")
	flag.Parse()
	if err := run(*agent, *tag); err != nil {
		log.Fatal(err)
	}
}

func run(agent, tag string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	registry, err := titles.Open(agent)
	if err != nil {
		return err
	}
	defer registry.Close()
	dir := adsum.NewDirectory(registry)
	defer dir.Close()
	client, err := titles.NewClient(dir, tag)
	if err != nil {
		return err
	}
	defer client.Close()
	each := time.NewTicker(500 * time.Millisecond)
	defer each.Stop()
	for {
		if answer, err := client.Title(ctx, 1); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println(answer.Title, "from", answer.From)
		}
		select {
		case <-each.C:
		case <-ctx.Done():
			return nil
		}
	}
}
