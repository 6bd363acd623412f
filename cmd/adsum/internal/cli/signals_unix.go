//go:build unix

package cli

import (
	"os"
	"syscall"
)

// passedOn are the signals that run hands to its program as they come.
func passedOn() []os.Signal {
	return []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
}
