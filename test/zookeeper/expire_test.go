package zookeeper_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum/test/servers"
)

// expire ends the session that keeps a node, on the server: it goes on with
// the session on a connection of its own, and closes it. The password that
// this needs is made from the session's number by a generator whose seed is in
// ZooKeeper's source. The owner of the session takes it back at once, so that
// it may take several attempts.
func expire(t testing.TB, srv *servers.ZooKeeper, path string) error {
	c := admin(t, srv)
	_, stat, err := c.Get(path)
	for owner := stat.EphemeralOwner; err == nil && stat.EphemeralOwner == owner; _, stat, err = c.Get(path) {
		if err := closeSession(srv.Addr(), owner); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			return err
		}
	}
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	return err
}

func closeSession(addr string, session int64) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	hello := binary.BigEndian.AppendUint32(nil, 0)       // protocol
	hello = binary.BigEndian.AppendUint64(hello, 0)      // last transaction seen
	hello = binary.BigEndian.AppendUint32(hello, 10_000) // timeout
	hello = binary.BigEndian.AppendUint64(hello, uint64(session))
	hello = append(binary.BigEndian.AppendUint32(hello, 16), password(session)...)
	closing := binary.BigEndian.AppendUint32(nil, 1)                // request
	closing = binary.BigEndian.AppendUint32(closing, ^uint32(11-1)) // -11
	var packets []byte
	for _, p := range [][]byte{hello, closing} {
		packets = append(binary.BigEndian.AppendUint32(packets, uint32(len(p))), p...)
	}
	if _, err := conn.Write(packets); err != nil {
		return err
	}
	answers, err := io.ReadAll(conn)
	if err == nil && len(answers) >= 20 && binary.BigEndian.Uint64(answers[12:]) == 0 {
		return errors.New("the server does not take the session and its password")
	}
	return err
}

// password is what java.util.Random makes of the session and the seed.
func password(session int64) []byte {
	const multiplier, mask = 0x5DEECE66D, 1<<48 - 1
	seed := uint64(session^0xB3415C00) ^ multiplier&mask
	var p []byte
	for range 4 {
		seed = (seed*multiplier + 0xB) & mask
		p = binary.LittleEndian.AppendUint32(p, uint32(seed>>16))
	}
	return p
}

// setACLs sets the list on a directory and all below it.
func setACLs(t testing.TB, c *zk.Conn, dir string, acl []zk.ACL) {
	t.Helper()
	names, _, err := c.Children(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		setACLs(t, c, dir+"/"+name, acl)
	}
	if _, err := c.SetACL(dir, acl, -1); err != nil {
		t.Fatal(err)
	}
}
