package cli

import "os"

// passedOn are the signals that run hands to its program as they come:
// Windows knows none.
func passedOn() []os.Signal { return nil }
