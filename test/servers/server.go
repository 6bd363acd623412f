//go:build unix

package servers

// Server is a registry server, or several that act as one, under the control
// of a test. All methods block until what they name is done and are safe for
// concurrent use.
type Server interface {
	// Addr is the host:port that clients connect to; of an ensemble, its
	// first member's. It stays the same over restarts.
	Addr() string
	// Addrs holds the client host:port of every member.
	Addrs() []string

	// Start starts a server that is down, with the data and the ports that it
	// had, and returns when it serves. It does nothing when it already runs.
	Start() error
	// Stop asks the server to end (SIGTERM) and waits for that.
	Stop() error
	// Kill ends the server with no chance to say goodbye (SIGKILL).
	Kill() error
	// Freeze halts the server (SIGSTOP): the kernel still accepts its
	// connections, but nothing answers. Kill, Stop and Thaw end it.
	Freeze() error
	// Thaw lets a frozen server run on (SIGCONT).
	Thaw() error
	// Restart kills the server if it runs and starts it with the same data.
	Restart() error
	// Erase deletes the data of a server that is down.
	Erase() error
	// Wipe kills the server, deletes its data and starts it, empty, on the
	// same ports: the registry that lost its memory.
	Wipe() error

	// LogTail is the end of what the server printed, over all its starts.
	LogTail() string
}

var (
	_ Server = (*Node)(nil)
	_ Server = (*Ensemble)(nil)
)
