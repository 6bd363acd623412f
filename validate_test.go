package adsum_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/adsum-go/adsum"
)

func TestValidateNamesTheFieldTheProblemAndTheFix(t *testing.T) {
	good := adsum.Instance{Service: "book", Addr: "10.0.0.5:50051"}
	for _, test := range []struct {
		name   string
		change func(*adsum.Instance)
		field  string
		says   string // part of the message
	}{
		{"empty service", func(in *adsum.Instance) { in.Service = "" }, "service", "empty"},
		{"slash in service", func(in *adsum.Instance) { in.Service = "a/b" }, "service", "registry's URL"},
		{"space in service", func(in *adsum.Instance) { in.Service = "a b" }, "service", "letters, digits"},
		{"service ends in a dash", func(in *adsum.Instance) { in.Service = "a-" }, "service", "letters, digits"},
		{"long service", func(in *adsum.Instance) { in.Service = strings.Repeat("a", 129) }, "service", "129 bytes"},
		{"control character in service", func(in *adsum.Instance) { in.Service = "a\x1b[31m" }, "service", `\x1b`},
		{"empty addr", func(in *adsum.Instance) { in.Addr = "" }, "addr", "AdvertiseAddr"},
		{"wildcard", func(in *adsum.Instance) { in.Addr = "0.0.0.0:80" }, "addr", "AdvertiseAddr"},
		{"IPv6 wildcard", func(in *adsum.Instance) { in.Addr = "[::]:80" }, "addr", "wildcard"},
		{"wildcard as IPv6", func(in *adsum.Instance) { in.Addr = "[::ffff:0.0.0.0]:80" }, "addr", "wildcard"},
		{"wildcard as a star", func(in *adsum.Instance) { in.Addr = "*:80" }, "addr", "no host name has"},
		{"short wildcard", func(in *adsum.Instance) { in.Addr = "0:80" }, "addr", "neither"},
		{"three numbers", func(in *adsum.Instance) { in.Addr = "10.0.5:80" }, "addr", "neither"},
		{"number too large", func(in *adsum.Instance) { in.Addr = "10.0.0.256:80" }, "addr", "neither"},
		{"no host", func(in *adsum.Instance) { in.Addr = ":80" }, "addr", "host is empty"},
		{"no port", func(in *adsum.Instance) { in.Addr = "10.0.0.5" }, "addr", "port is missing"},
		{"port 0", func(in *adsum.Instance) { in.Addr = "10.0.0.5:0" }, "addr", "1 to 65535"},
		{"port too large", func(in *adsum.Instance) { in.Addr = "10.0.0.5:65536" }, "addr", "1 to 65535"},
		{"named port", func(in *adsum.Instance) { in.Addr = "10.0.0.5:http" }, "addr", "1 to 65535"},
		{"bare IPv6", func(in *adsum.Instance) { in.Addr = "::1:80" }, "addr", "brackets"},
		{"brackets around a name", func(in *adsum.Instance) { in.Addr = "[host]:80" }, "addr", "no IPv6"},
		{"URL", func(in *adsum.Instance) { in.Addr = "http://h:80" }, "addr", "URL"},
		{"newline in addr", func(in *adsum.Instance) { in.Addr = "h\n:80" }, "addr", "control character"},
		{"multicast", func(in *adsum.Instance) { in.Addr = "224.0.0.1:80" }, "addr", "multicast"},
		{"slash in id", func(in *adsum.Instance) { in.ID = "a/b" }, "id", "not allowed"},
		{"dot dot", func(in *adsum.Instance) { in.ID = ".." }, "id", "path"},
		{"long id", func(in *adsum.Instance) { in.ID = strings.Repeat("a", 256) }, "id", "256 bytes"},
		{"protocol in upper case", func(in *adsum.Instance) { in.Endpoints = map[string]string{"GRPC": "h:1"} }, "endpoints", "lower case"},
		{"endpoint with port 0", func(in *adsum.Instance) { in.Endpoints = map[string]string{"grpc": "h:0"} }, "endpoints.grpc", "1 to 65535"},
		{"negative weight", func(in *adsum.Instance) { in.Weight = -1 }, "weight", "drain"},
		{"heavy", func(in *adsum.Instance) { in.Weight = 65536 }, "weight", "65535"},
		{"unknown status", func(in *adsum.Instance) { in.Status = "fine" }, "status", "passing"},
		{"control character in metadata", func(in *adsum.Instance) { in.Metadata = map[string]string{"k": "a\x00"} }, "metadata.k", "control character"},
		{"control character in a key", func(in *adsum.Instance) { in.Metadata = map[string]string{"k\x1b": ""} }, "metadata key", "control character"},
		{"empty key", func(in *adsum.Instance) { in.Metadata = map[string]string{"": "v"} }, "metadata", "empty"},
		{"large metadata", func(in *adsum.Instance) { in.Metadata = map[string]string{"k": strings.Repeat("v", 65<<10)} }, "metadata", "at most"},
		{"broken UTF-8", func(in *adsum.Instance) { in.Zone = "\xff" }, "zone", "UTF-8"},
		{"control character in reason", func(in *adsum.Instance) { in.Reason = "a\tb" }, "reason", "control character"},
		{"empty tag", func(in *adsum.Instance) { in.Tags = []string{""} }, "tags", "empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := good
			test.change(&in)
			err := in.Validate()
			var invalid *adsum.InvalidError
			if !errors.As(err, &invalid) || !errors.Is(err, adsum.ErrInvalid) {
				t.Fatalf("got %v", err)
			}
			if invalid.Field != test.field || !strings.Contains(err.Error(), test.says) || invalid.Fix == "" {
				t.Errorf("field %q, message %q", invalid.Field, err)
			}
			if strings.ContainsAny(err.Error(), "\x00\x1b\n\t") {
				t.Errorf("a control character reached the message %q", err)
			}
		})
	}
}

func TestValidInstancesPass(t *testing.T) {
	for _, in := range []adsum.Instance{
		{Service: "book", Addr: "10.0.0.5:50051"},
		{Service: "book.v1_x-y", Addr: "[2001:db8::1]:80"},
		{Service: "b", Addr: "[fe80::1%eth0]:80"},
		{Service: "book", Addr: "book-0.book.prod.svc:8080", ID: "book-0@host+1~a=b"},
		{Service: "book", Addr: "123456789012:80"}, // a container's id
		{Service: "book", Addr: "h:1", Zone: "华东", Tags: []string{"v1"}, Metadata: map[string]string{"owner": "团队", "e": ""}},
		{Service: "book", Addr: "h:1", Endpoints: map[string]string{"grpc": "[::1]:2", "http": "h:3"}, Weight: 65535, Status: adsum.Starting},
	} {
		if err := in.Validate(); err != nil {
			t.Errorf("%+v: %v", in, err)
		}
	}
}

func TestAdvertiseAddrKeepsABoundAddressAndExplainsAWildcard(t *testing.T) {
	addr, why, err := adsum.AdvertiseAddr("127.0.0.1:8080")
	if err != nil || addr != "127.0.0.1:8080" || why == "" {
		t.Errorf("%q, %q, %v", addr, why, err)
	}
	for _, listen := range []string{":8080", "0.0.0.0:8080", "[::]:8080"} {
		addr, why, err := adsum.AdvertiseAddr(listen)
		if err != nil || adsum.ValidateAddr(addr) != nil || !strings.HasSuffix(addr, ":8080") || !strings.Contains(why, "all interfaces") {
			t.Errorf("%s: %q, %q, %v", listen, addr, why, err)
		}
	}
	for _, listen := range []string{"", "8080", ":0", "a:b:c"} {
		if _, _, err := adsum.AdvertiseAddr(listen); !errors.Is(err, adsum.ErrInvalid) {
			t.Errorf("%q: %v", listen, err)
		}
	}
}

func FuzzValidAddressesAreSafeToPrint(f *testing.F) {
	for _, s := range []string{"10.0.0.5:1", "[::1]:2", "h:0", "a\x00:1", "http://h:1", "::1", "[::1%a]:1", "é:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		err := adsum.ValidateAddr(addr)
		if err == nil && strings.ContainsAny(addr, "\x00\x1b\r\n\t /") {
			t.Errorf("accepted %q", addr)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\x00\x1b\r\n\t") {
			t.Errorf("unsafe message %q", err)
		}
	})
}
