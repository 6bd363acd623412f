package zookeeper

import (
	"strconv"
	"strings"

	"github.com/go-zookeeper/zk"
)

// permissions by the letters of ZooKeeper's own command line.
var permissions = map[rune]int32{
	'c': zk.PermCreate, 'd': zk.PermDelete, 'r': zk.PermRead, 'w': zk.PermWrite, 'a': zk.PermAdmin,
}

// parseACL reads a list as ZooKeeper's command line takes it, such as
// "auth::cdrwa,world:anyone:r". An id may contain colons.
func parseACL(text string) ([]zk.ACL, error) {
	const fix = "write scheme:id:permissions, separated by commas, such as auth::cdrwa,world:anyone:r"
	var list []zk.ACL
	for entry := range strings.SplitSeq(text, ",") {
		scheme, rest, ok := strings.Cut(entry, ":")
		i := strings.LastIndexByte(rest, ':')
		if !ok || i < 0 || scheme == "" {
			return nil, invalidURL("acl", "", "entry "+strconv.Itoa(len(list)+1)+" has not three parts", fix)
		}
		a := zk.ACL{Scheme: scheme, ID: rest[:i]}
		for _, letter := range rest[i+1:] {
			p := permissions[letter]
			if p == 0 {
				return nil, invalidURL("acl", rest[i+1:], "there is no such permission", "use the letters c, d, r, w and a")
			}
			a.Perms |= p
		}
		if a.Perms == 0 {
			return nil, invalidURL("acl", "", "entry "+strconv.Itoa(len(list)+1)+" permits nothing", fix)
		}
		list = append(list, a)
	}
	return list, nil
}

// defaultACL lets everybody do everything where nobody has a name, as all
// programs of this kind do, and only the user where there is one.
func defaultACL(c *Credentials) []zk.ACL {
	if c == nil {
		return zk.WorldACL(zk.PermAll)
	}
	return zk.AuthACL(zk.PermAll)
}

// sharedACL is for the directories above a service's: others may put services
// of their own beside it.
func sharedACL(list []zk.ACL) []zk.ACL {
	return append(list[:len(list):len(list)], zk.WorldACL(zk.PermRead|zk.PermCreate)...)
}
