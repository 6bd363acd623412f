// Command adsum registers, finds, watches and calls services.
package main

import (
	"os"

	"github.com/adsum-go/adsum/cmd/adsum/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:]))
}
