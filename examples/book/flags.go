package book

import (
	"flag"
	"fmt"
	"os"
)

// ParseFlags parses the command line of these programs, which take flags and
// nothing else: anything else ends the program, as an unknown flag does.
func ParseFlags() {
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(flag.CommandLine.Output(), "unexpected argument %q; there are only flags\n", flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
}
