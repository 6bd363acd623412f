//go:build unix

package servers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Ports come from a range below the ephemeral ports of Linux (from 32768) and
// macOS (from 49152), from which the kernel would lend them to outgoing
// connections while a server is down.
const (
	firstPort = 20000
	lastPort  = 32000
)

// reservation is a set of ports that no other test of this user takes until it
// is released, although nothing may be listening on them: each is a locked
// file in the cache, and the kernel drops the lock with the process.
type reservation struct {
	ports []int
	locks []*os.File
}

func reservePorts(count int) (*reservation, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(cache, "ports")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	r := &reservation{}
	start := rand.IntN(lastPort - firstPort)
	for i := range lastPort - firstPort {
		if len(r.ports) == count {
			return r, nil
		}
		port := firstPort + (start+i)%(lastPort-firstPort)
		if err := r.take(folder, port); err != nil {
			r.release()
			return nil, err
		}
	}
	r.release()
	return nil, fmt.Errorf("no %d free ports between %d and %d", count, firstPort, lastPort)
}

// take adds port to the reservation if nobody has reserved or bound it.
func (r *reservation) take(folder string, port int) error {
	lock, err := tryLockFile(filepath.Join(folder, strconv.Itoa(port)))
	if errors.Is(err, errLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	if !portIsFree(port) {
		return lock.Close()
	}
	r.ports = append(r.ports, port)
	r.locks = append(r.locks, lock)
	return nil
}

func (r *reservation) numbers() []int { return r.ports }

func (r *reservation) release() {
	for _, lock := range r.locks {
		lock.Close()
	}
	r.ports, r.locks = nil, nil
}

// portIsFree binds port for TCP and UDP, which Consul's gossip uses both.
func portIsFree(port int) bool {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer listener.Close()
	packets, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	defer packets.Close()
	return true
}
