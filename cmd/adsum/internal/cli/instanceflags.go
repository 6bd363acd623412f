package cli

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/adsum-go/adsum"
)

// instanceFlags describe the instance that register and run publish.
type instanceFlags struct {
	Name     string
	Addr     string
	Port     int
	ID       string
	Tags     []string
	Meta     map[string]string
	Endpoint map[string]string
	Weight   int
	Zone     string
	Version  string
}

func (i *instanceFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&i.Name, "name", "", "name of the service")
	flags.StringVar(&i.Addr, "addr", "", "host:port to advertise; without a host, one is chosen")
	flags.StringVar(&i.ID, "id", "", "id of this copy (default: the address)")
	flags.StringSliceVar(&i.Tags, "tag", nil, "tag; may be repeated")
	flags.StringToStringVar(&i.Meta, "meta", nil, "metadata, k=v; may be repeated")
	flags.StringToStringVar(&i.Endpoint, "endpoint", nil, "address of a further protocol, such as http=10.0.0.5:8080; may be repeated")
	flags.IntVar(&i.Weight, "weight", adsum.DefaultWeight, "share of the calls relative to the other copies, 1 to 65535")
	flags.StringVar(&i.Zone, "zone", "", "failure domain")
	flags.StringVar(&i.Version, "version", "", "version of the program")
}

// instance builds and validates the instance, and says why it has its address.
func (i *instanceFlags) instance() (in adsum.Instance, why string, err error) {
	if i.Name == "" {
		return in, "", usagef("--name is missing: which service is this a copy of?")
	}
	addr, why, err := i.advertise()
	if err != nil {
		return in, "", err
	}
	in = adsum.Instance{
		ID: i.ID, Service: i.Name, Addr: addr, Endpoints: i.Endpoint, Weight: i.Weight,
		Zone: i.Zone, Version: i.Version, Tags: i.Tags, Metadata: i.Meta,
	}
	return in.WithDefaults(), why, in.Validate()
}

func (i *instanceFlags) advertise() (addr, why string, err error) {
	listen := i.Addr
	switch {
	case listen == "" && i.Port == 0:
		return "", "", usagef("--addr, or for run --port, is missing: where do callers reach this copy?")
	case listen == "":
		listen = net.JoinHostPort("", strconv.Itoa(i.Port))
	case i.Port != 0 && !strings.Contains(strings.TrimSuffix(listen, "]"), ":"):
		listen = net.JoinHostPort(listen, strconv.Itoa(i.Port))
	}
	addr, why, err = adsum.AdvertiseAddr(listen)
	if addr == i.Addr {
		why = "given by --addr"
	}
	if err != nil && i.Addr == "" {
		return "", "", fmt.Errorf("--port: %w", err)
	}
	if err != nil {
		return "", "", fmt.Errorf("--addr: %w", err)
	}
	return addr, why, nil
}
