package zookeeper

import (
	"fmt"
	"path"
	"strings"

	"github.com/adsum-go/adsum"
)

// layout says where things lie. Nothing of ours but instances in the chosen
// format lies in a service's public directory, because foreign readers take
// every node there for an instance.
//
//	CHROOT/BASE/SERVICE/ID                        the public record
//	CHROOT/adsum/v1/records/BASE/SERVICE/ID       the private record
//	CHROOT/adsum/v1/overrides/BASE/SERVICE/ID     an operator's word
type layout struct {
	root string // the chroot: "" or "/team"
	base string // "" or "/services", below the root
}

const (
	recordsRoot   = "/adsum/v1/records"
	overridesRoot = "/adsum/v1/overrides"
)

func newLayout(chroot, base string) (layout, error) {
	l := layout{root: clean(chroot), base: clean(base)}
	for _, part := range strings.Split(l.root+l.base, "/") {
		if part == "." || part == ".." || strings.ContainsFunc(part, func(c rune) bool { return c < ' ' || c >= 0x7f && c <= 0x9f }) {
			return layout{}, invalidURL("path", l.root+l.base, "a part of it is no name of a node", "use a path such as /services")
		}
	}
	switch first, _, _ := strings.Cut(strings.TrimPrefix(l.base, "/"), "/"); first {
	case "adsum":
		return layout{}, invalidURL("path", l.base, "nodes under /adsum are the library's own", "use another path, such as /services")
	case "zookeeper":
		return layout{}, invalidURL("path", l.base, "nodes under /zookeeper are ZooKeeper's own", "use another path, such as /services")
	}
	return l, nil
}

// clean gives a path one slash in front and none behind; the root is "".
func clean(p string) string {
	if p = strings.Trim(p, "/"); p == "" {
		return ""
	}
	return "/" + p
}

// The directories of all services, and of one.
func (l layout) services() string { return orRoot(l.root + l.base) }
func (l layout) hidden() string   { return l.root + recordsRoot + l.base }

func (l layout) public(service string) string  { return l.root + l.base + "/" + service }
func (l layout) records(service string) string { return l.hidden() + "/" + service }
func (l layout) overrides(service string) string {
	return l.root + overridesRoot + l.base + "/" + service
}

// nodes are the places of one instance.
type nodes struct{ public, record, override string }

func (l layout) nodes(service, id string) nodes {
	return nodes{
		public:   l.public(service) + "/" + id,
		record:   l.records(service) + "/" + id,
		override: l.overrides(service) + "/" + id,
	}
}

func orRoot(p string) string {
	if p == "" {
		return "/"
	}
	return p
}

// parent is the directory of a node, "" of the root.
func parent(p string) string {
	if p == "/" {
		return ""
	}
	return path.Dir(p)
}

// idOfNode makes an id of whatever foreign programs call their nodes: a name
// that is no id has its odd characters, and '%', written as %XX.
func idOfNode(name string) string {
	if adsum.ValidateID(name) == nil {
		return name
	}
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c != '%' && c < 0x80 && adsum.ValidateID("x"+string(rune(c))) == nil {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
