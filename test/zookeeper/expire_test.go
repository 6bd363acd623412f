package zookeeper_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/adsum-go/adsum/test/servers"
)

// expire ends the session that keeps a node, on the server: it goes on with
// the session on a connection of its own, and closes it. The password that
// this needs is made from the session's number by a generator whose seed is in
// ZooKeeper's source.
func expire(t testing.TB, srv *servers.ZooKeeper, path string) error {
	_, stat, err := admin(t, srv).Get(path)
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", srv.Addr())
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
	hello = binary.BigEndian.AppendUint64(hello, uint64(stat.EphemeralOwner))
	hello = append(binary.BigEndian.AppendUint32(hello, 16), password(stat.EphemeralOwner)...)
	closing := binary.BigEndian.AppendUint32(nil, 1)                // request
	closing = binary.BigEndian.AppendUint32(closing, ^uint32(11-1)) // -11
	answer, err := exchange(conn, hello)
	if err != nil {
		return err
	}
	if binary.BigEndian.Uint64(answer[8:]) == 0 {
		return errors.New("the server does not take the session and its password")
	}
	if _, err = exchange(conn, closing); errors.Is(err, io.EOF) {
		return nil // the server closes the connection, sometimes before it answers
	}
	return err
}

// exchange sends a packet and returns the answer.
func exchange(conn net.Conn, packet []byte) ([]byte, error) {
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(packet))), packet...)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	answer := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(conn, answer)
	return answer, err
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
