//go:build unix

package servers

import (
	"errors"
	"os"
	"syscall"
)

// errLocked says that somebody else holds a lock.
var errLocked = errors.New("locked by another")

// tryLockFile locks the file at path, making it if need be, or returns
// errLocked. Closing the file unlocks it; so does the end of the process.
func tryLockFile(path string) (*os.File, error) {
	return lock(path, syscall.LOCK_EX|syscall.LOCK_NB)
}

// lockFile waits until it has locked the file at path.
func lockFile(path string) (*os.File, error) { return lock(path, syscall.LOCK_EX) }

func lock(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), how)
		if err != syscall.EINTR {
			break
		}
	}
	if err == nil {
		return file, nil
	}
	file.Close()
	if err == syscall.EWOULDBLOCK {
		return nil, errLocked
	}
	return nil, &os.PathError{Op: "lock", Path: path, Err: err}
}
