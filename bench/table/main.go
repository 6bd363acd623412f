// Command table runs the benchmarks of this module, side by side and several
// times over, and prints one table of ratios for each question.
//
//	go run ./table                            a few minutes
//	go run ./table -long -write FILE.md       more rounds, and the cold starts that take minutes
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/adsum-go/adsum/bench/peers"
)

func main() {
	long := flag.Bool("long", false, "run more rounds, and what takes minutes for some")
	write := flag.String("write", "", "write the report to this file too")
	flag.Parse()
	if err := compare(*long, *write); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func compare(long bool, write string) error {
	plan := short
	if long {
		plan = longer
	}
	contenders := peers.All()
	measured, err := plan.run(os.Stderr)
	if err != nil {
		return err
	}
	text := report(measured, plan, contenders)
	fmt.Print(text)
	if write == "" {
		return nil
	}
	return os.WriteFile(write, []byte(text), 0o644)
}
