package adsum

import (
	"net"
	"net/netip"
)

// AdvertiseAddr chooses the address under which others reach a server that
// listens on the given host:port, and says why in words fit to be logged. A
// listener bound to one address is reached there. For one bound to a wildcard
// it takes the address of the interface that the default route leaves by
// (nothing is sent to find out), else the first interface that is up, else
// loopback, which only this machine reaches.
//
// Behind NAT or in a container with a port mapping no program can know its
// address from the inside: set it explicitly there.
func AdvertiseAddr(listen string) (addr, why string, err error) {
	host, port, err := splitHostPort(listen)
	if err != nil {
		return "", "", invalid("listen address", listen, err.Error(), "give host:port, or :port for all interfaces")
	}
	ip, perr := netip.ParseAddr(host)
	if host != "" && (perr != nil || !ip.IsUnspecified()) {
		addr, why = listen, "the server listens on this address"
	} else {
		host, why = reachableHost()
		addr = net.JoinHostPort(host, port)
	}
	if err := validateAddr("listen address", addr); err != nil {
		return "", "", err
	}
	return addr, why, nil
}

func reachableHost() (host, why string) {
	if ip, ok := routeSource(); ok {
		return ip, "the server listens on all interfaces, and the default route leaves from this one"
	}
	if ip, name, ok := firstInterface(); ok {
		return ip, "the server listens on all interfaces, and " + name + " is the first that is up"
	}
	return "127.0.0.1", "the server listens on all interfaces, but none other than loopback is up"
}

// routeSource asks the kernel for the source address of a packet to the
// outside. Connecting a UDP socket sends nothing. The targets are reserved
// for documentation (RFC 5737, RFC 3849).
func routeSource() (string, bool) {
	for _, target := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		conn, err := net.Dial("udp", target)
		if err != nil {
			continue
		}
		local, ok := conn.LocalAddr().(*net.UDPAddr)
		conn.Close()
		if ok && usable(local.IP) {
			return local.IP.String(), true
		}
	}
	return "", false
}

func firstInterface() (ip, name string, ok bool) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return "", "", false
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if n, isNet := a.(*net.IPNet); isNet && usable(n.IP) {
				return n.IP.String(), i.Name, true
			}
		}
	}
	return "", "", false
}

// usable leaves out loopback, and link-local addresses, which mean nothing
// without a zone.
func usable(ip net.IP) bool { return ip.IsGlobalUnicast() }
