package codec_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Values as the programs of other libraries wrote them to an etcd.
const (
	kratosFull   = `{"id":"users-127.0.0.1-7003","name":"users","version":"","metadata":{"weight":"10","zone":"eu-1"},"endpoints":["grpc://127.0.0.1:7003"]}`
	kratosHTTP   = `{"id":"users-127.0.0.1-7013","name":"users","version":"1.2.3","metadata":{},"endpoints":["http://127.0.0.1:7013"]}`
	namingFull   = `{"Op":0,"Addr":"127.0.0.1:7002","Metadata":{"weight":"10","zone":"eu-1"}}`
	namingNull   = `{"Op":0,"Addr":"10.0.0.9:8002","Metadata":null}`
	namingText   = `{"Op":0,"Addr":"127.0.0.1:7012","Metadata":"text"}`
	kitexFull    = `{"network":"tcp","address":"127.0.0.1:8888","weight":10,"tags":{"zone":"eu-1","cluster":"c1"}}`
	kitexNoTags  = `{"network":"tcp","address":"127.0.0.1:8888","weight":10,"tags":null}`
	bareAddr     = `127.0.0.1:7001`
	bareURL      = `http://127.0.0.1:7011`
	curatorKazoo = `{"name":"users","id":"u","address":"127.0.0.1","port":7004,"sslPort":null,"payload":{"zone":"eu-1","weight":"10"},"registrationTimeUTC":1795355233789,"serviceType":"DYNAMIC","uriSpec":null,"enabled":true}`
	curatorMap   = `{"name":"users","id":"u","address":"127.0.0.1","port":7008,"sslPort":null,"payload":{"@class":"java.util.LinkedHashMap","weight":"10","zone":"eu-1"},"registrationTimeUTC":1795355235512,"serviceType":"DYNAMIC","uriSpec":null}`
	curatorSSL   = `{"name":"users","id":"u","address":"127.0.0.1","port":7010,"sslPort":7443,"payload":null,"registrationTimeUTC":1795355236690,"serviceType":"DYNAMIC","uriSpec":null}`
	curatorText  = `{"name":"users","id":"u","address":"127.0.0.1","port":7011,"sslPort":null,"payload":"a text","registrationTimeUTC":1795355237221,"serviceType":"STATIC","uriSpec":null}`
	curatorOff   = `{"name":"users","id":"u","address":"127.0.0.1","port":7012,"sslPort":null,"payload":{"@class":"java.util.LinkedHashMap"},"registrationTimeUTC":1795358377294,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"http://","variable":false}]},"enabled":false}`
	springValue  = `{"name":"users","id":"u","address":"127.0.0.1","port":7009,"sslPort":null,"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","id":"users-127.0.0.1-7009","name":"users","metadata":{"weight":"10","zone":"eu-1","instance_status":"OUT_OF_SERVICE"}},"registrationTimeUTC":1795355235886,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"scheme","variable":true}]}}`
	curatorValue = `{"name":"users","id":"u","address":"127.0.0.1","port":7004,"sslPort":null,"payload":null,"registrationTimeUTC":1795355233789,"serviceType":"DYNAMIC","uriSpec":null}`
)

func TestForeignEntriesYieldInstances(t *testing.T) {
	for _, test := range []struct {
		value  string
		format codec.Format
		want   adsum.Instance
	}{
		{bareAddr, codec.Addr, adsum.Instance{Addr: "127.0.0.1:7001"}},
		{"  " + bareAddr + "\n", codec.Addr, adsum.Instance{Addr: "127.0.0.1:7001"}},
		{"[2001:db8::1]:80", codec.Addr, adsum.Instance{Addr: "[2001:db8::1]:80"}},
		{bareURL, codec.Addr, adsum.Instance{Addr: "127.0.0.1:7011", Endpoints: map[string]string{"http": "127.0.0.1:7011"}}},
		{"https://book.example/path", codec.Addr, adsum.Instance{Addr: "book.example:443", Endpoints: map[string]string{"https": "book.example:443"}}},
		{namingFull, codec.Naming, adsum.Instance{Addr: "127.0.0.1:7002", Weight: 10, Zone: "eu-1", Metadata: map[string]string{"weight": "10", "zone": "eu-1"}}},
		{namingNull, codec.Naming, adsum.Instance{Addr: "10.0.0.9:8002"}},
		{namingText, codec.Naming, adsum.Instance{Addr: "127.0.0.1:7012", Metadata: map[string]string{"metadata": "text"}}},
		{`{"addr":"127.0.0.1:1","Op":1}`, codec.Naming, adsum.Instance{Addr: "127.0.0.1:1"}},
		{`{"Addr":"127.0.0.1:1","Metadata":{"weight":7,"up":true,"none":null,"deep":{"a":[1,"b"]},"tags":"a, b,,c"}}`, codec.Naming, adsum.Instance{
			Addr: "127.0.0.1:1", Weight: 7, Tags: []string{"a", "b", "c"},
			Metadata: map[string]string{"weight": "7", "up": "true", "none": "", "deep": `{"a":[1,"b"]}`, "tags": "a, b,,c"},
		}},
		{kratosFull, codec.Kratos, adsum.Instance{Addr: "127.0.0.1:7003", Weight: 10, Zone: "eu-1",
			Endpoints: map[string]string{"grpc": "127.0.0.1:7003"}, Metadata: map[string]string{"weight": "10", "zone": "eu-1"}}},
		{kratosHTTP, codec.Kratos, adsum.Instance{Addr: "127.0.0.1:7013", Version: "1.2.3", Endpoints: map[string]string{"http": "127.0.0.1:7013"}, Metadata: map[string]string{}}},
		{`{"name":"users","endpoints":["http://127.0.0.1:1","grpc://127.0.0.1:2?isSecure=true","grpc://127.0.0.1:3"]}`, codec.Kratos, adsum.Instance{
			Addr: "127.0.0.1:3", Endpoints: map[string]string{"http": "127.0.0.1:1", "grpcs": "127.0.0.1:2", "grpc": "127.0.0.1:3"}}},
		{kitexFull, codec.Kitex, adsum.Instance{Addr: "127.0.0.1:8888", Weight: 10, Zone: "eu-1", Metadata: map[string]string{"zone": "eu-1", "cluster": "c1"}}},
		{kitexNoTags, codec.Kitex, adsum.Instance{Addr: "127.0.0.1:8888", Weight: 10}},
		{`{"network":"tcp","address":"127.0.0.1:8888","weight":"4"}`, codec.Kitex, adsum.Instance{Addr: "127.0.0.1:8888", Weight: 4}},
		{`{"network":"tcp","address":"127.0.0.1:8888","weight":-3}`, codec.Kitex, adsum.Instance{Addr: "127.0.0.1:8888"}},
		{`{"network":"tcp","address":"127.0.0.1:8888","weight":1e300}`, codec.Kitex, adsum.Instance{Addr: "127.0.0.1:8888", Weight: 65535}},
		{curatorValue, codec.Curator, adsum.Instance{Addr: "127.0.0.1:7004"}},
		{curatorKazoo, codec.Curator, adsum.Instance{Addr: "127.0.0.1:7004", Weight: 10, Zone: "eu-1", Metadata: map[string]string{"weight": "10", "zone": "eu-1"}}},
		{curatorMap, codec.Curator, adsum.Instance{Addr: "127.0.0.1:7008", Weight: 10, Zone: "eu-1", Metadata: map[string]string{"weight": "10", "zone": "eu-1"}}},
		{curatorSSL, codec.Curator, adsum.Instance{Addr: "127.0.0.1:7010", Endpoints: map[string]string{"https": "127.0.0.1:7443"}}},
		{`{"address":"2001:db8::1","port":null,"sslPort":"7443"}`, codec.Curator, adsum.Instance{Addr: "[2001:db8::1]:7443", Endpoints: map[string]string{"https": "[2001:db8::1]:7443"}}},
		{curatorText, codec.Curator, adsum.Instance{Addr: "127.0.0.1:7011", Metadata: map[string]string{"metadata": "a text"}}},
		{curatorOff, codec.Curator, adsum.Instance{Addr: "127.0.0.1:7012", Status: adsum.Draining, Reason: "disabled by its owner"}},
		{springValue, codec.Spring, adsum.Instance{Addr: "127.0.0.1:7009", Weight: 10, Zone: "eu-1", Status: adsum.Draining,
			Metadata: map[string]string{"weight": "10", "zone": "eu-1", "instance_status": "OUT_OF_SERVICE"}}},
	} {
		t.Run(test.value, func(t *testing.T) {
			got, err := codec.Decode("users", "u1", []byte(test.value))
			if err != nil {
				t.Fatal(err)
			}
			test.want.Service, test.want.ID = "users", "u1"
			if want := test.want.WithDefaults(); !got.Instance.Equal(&want) {
				t.Errorf("instance\n got %+v\nwant %+v", got.Instance, want)
			}
			if got.Format != test.format || got.Claim != (adsum.Claim{}) {
				t.Errorf("format %s, claim %v, want %s and none", got.Format, got.Claim, test.format)
			}
		})
	}
}

func TestBrokenEntriesAreErrorsThatArePrintable(t *testing.T) {
	for name, value := range map[string]string{
		"empty":              "",
		"blank":              " \n",
		"no address":         "hello",
		"wildcard":           "0.0.0.0:80",
		"control characters": "\x1b[31mred:80",
		"URL without port":   "grpc://host",
		"URL without host":   "http:///path",
		"half an object":     `{"Op":0,"Addr":"127`,
		"array":              `[1,2]`,
		"number":             `42`,
		"unknown object":     "{\"foo\":1,\"\x7f\":2}",
		"empty Addr":         `{"Op":0,"Addr":""}`,
		"Addr of wrong type": `{"Op":0,"Addr":7}`,
		"adsum a number":     `{"Op":0,"Addr":"127.0.0.1:1","adsum":7}`,
		"status unknown":     `{"adsum":{"addr":"127.0.0.1:1","status":"\u001b[2J"}}`,
		"endpoints empty":    `{"name":"users","endpoints":[]}`,
		"endpoint bare":      `{"name":"users","endpoints":["127.0.0.1:80"]}`,
		"address empty":      `{"network":"tcp","address":""}`,
		"port too large":     `{"address":"127.0.0.1","port":70000}`,
		"port negative":      `{"address":"127.0.0.1","port":-1}`,
		"port a text":        `{"address":"127.0.0.1","port":"http"}`,
		"enabled a number":   `{"address":"127.0.0.1","port":1,"enabled":7}`,
		"nested":             strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000),
		"huge":               `{"Addr":"127.0.0.1:1","Metadata":"` + strings.Repeat("x", 1<<20) + `"}`,
		"metadata too large": `{"Addr":"127.0.0.1:1","Metadata":{"a":"` + strings.Repeat("x", 100<<10) + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := codec.Decode("users", "u1", []byte(value))
			if err == nil {
				t.Fatalf("decoded to %+v", got.Instance)
			}
			if message := err.Error(); !printable(message) || len(message) > 400 {
				t.Errorf("message is not fit to print: %q", message)
			}
		})
	}
}

func TestFreeTextIsCleanedOfControlCharacters(t *testing.T) {
	got, err := codec.Decode("users", "u1", []byte("{\"Addr\":\"127.0.0.1:1\",\"Metadata\":{\"zone\":\"eu\\u001b[31m\",\"k\\u0007\":\"bad\xff\"}}"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Instance.Zone != "eu\uFFFD[31m" || got.Instance.Metadata["k\uFFFD"] != "bad\uFFFD" {
		t.Errorf("zone %q, metadata %q", got.Instance.Zone, got.Instance.Metadata)
	}
}

func TestKeyDecidesServiceAndID(t *testing.T) {
	got, err := codec.Decode("users", "key-id", []byte(strings.Replace(kratosFull, `"name":"users"`, `"name":"others"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got.Instance.Service != "users" || got.Instance.ID != "key-id" {
		t.Errorf("got %s", &got.Instance)
	}
	if _, err := codec.Decode("users", "a b", []byte(bareAddr)); !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("bad id: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, value := range []string{kratosFull, kratosHTTP, namingFull, namingNull, namingText, kitexFull, kitexNoTags, bareAddr, bareURL, curatorValue,
		curatorKazoo, curatorMap, curatorSSL, curatorText, curatorOff, springValue,
		`{"foo":1}`, `{"addr":"h:1"}`, "", "{", `{"Addr":"h:1","adsum":{"weight":"3","incarnation":"9","owner":"o"}}`, `{"adsum":{}}`} {
		f.Add([]byte(value))
	}
	for _, format := range written() {
		data, err := format.Encode(codec.Record{Instance: full(), Claim: adsum.Claim{Owner: "o", Incarnation: 7}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		got, err := codec.Decode("users", "u1", value)
		if err != nil {
			if !printable(err.Error()) {
				t.Errorf("message is not fit to print: %q", err)
			}
			return
		}
		if err := got.Instance.Validate(); err != nil {
			t.Errorf("decoded an invalid instance: %v", err)
		}
		if shown := fmt.Sprint(got.Instance.Metadata, got.Instance.Tags, got.Instance.Zone, got.Claim.Owner); !printable(shown) {
			t.Errorf("not fit to print: %q", shown)
		}
		again, err := codec.Naming.Encode(got)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := codec.Decode("users", "u1", again)
		if err != nil || !back.Instance.Equal(&got.Instance) {
			t.Errorf("read %+v\nback %+v, %v", got.Instance, back.Instance, err)
		}
	})
}

func written() []codec.Format {
	return []codec.Format{codec.Naming, codec.Addr, codec.Curator, codec.Spring, codec.Kratos, codec.Kitex, codec.Native}
}

// full uses every field.
func full() adsum.Instance {
	return adsum.Instance{
		ID: "u1", Service: "users", Addr: "[2001:db8::1]:8080",
		Endpoints: map[string]string{"grpc": "10.0.0.9:9090", "https": "users.example:443"},
		Weight:    7, Zone: "eu-1", Version: "1.2.3", Tags: []string{"blue", "canary"},
		Metadata: map[string]string{"owner": "团队", "empty": ""},
		Status:   adsum.Warning, Reason: "disk 91 % full",
	}
}

func TestCompleteFormatsRoundTrip(t *testing.T) {
	claim := adsum.Claim{Owner: "token", Incarnation: 1<<63 + 1}
	for _, format := range written() {
		data, err := format.Encode(codec.Record{Instance: full(), Claim: claim})
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		got, err := codec.Decode("users", "u1", data)
		if err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		want := full()
		same := got.Instance.Equal(&want) && got.Claim == claim
		if got.Format != format || same != format.Complete() {
			t.Errorf("%s: recognised as %s, the same again: %t\n%s\n%+v", format, got.Format, same, data, got)
		}
	}
}

func TestForeignFormatsCarryWhatTheirReadersKnow(t *testing.T) {
	for format, want := range map[codec.Format]string{
		codec.Addr: `[2001:db8::1]:8080`,
		codec.Kratos: `{"id":"u1","name":"users","version":"1.2.3","metadata":{"empty":"","owner":"团队","tags":"blue,canary","weight":"7","zone":"eu-1"},` +
			`"endpoints":["grpc://10.0.0.9:9090","https://users.example:443"]}`,
		codec.Kitex: `{"network":"tcp","address":"[2001:db8::1]:8080","weight":7,"tags":{"empty":"","owner":"团队","tags":"blue,canary","version":"1.2.3","zone":"eu-1"}}`,
	} {
		if got, err := format.Encode(codec.Record{Instance: full()}); err != nil || string(got) != want {
			t.Errorf("%s\n got %s, %v\nwant %s", format, got, err, want)
		}
	}
}

func TestCuratorsReadersSeeWhatTheyKnow(t *testing.T) {
	registered := time.UnixMilli(1795355235886)
	plain := adsum.Instance{ID: "u1", Service: "users", Addr: "10.0.0.9:8080", Endpoints: map[string]string{"https": "10.0.0.9:8443"}}
	for _, test := range []struct {
		format codec.Format
		in     adsum.Instance
		want   string
	}{
		{codec.Curator, plain, `{"name":"users","id":"u1","address":"10.0.0.9","port":8080,"sslPort":8443,"payload":null,` +
			`"registrationTimeUTC":1795355235886,"serviceType":"DYNAMIC","uriSpec":null`},
		{codec.Curator, full(), `{"name":"users","id":"u1","address":"2001:db8::1","port":8080,"sslPort":null,` +
			`"payload":{"empty":"","owner":"团队","tags":"blue,canary","version":"1.2.3","weight":"7","zone":"eu-1"},` +
			`"registrationTimeUTC":1795355235886,"serviceType":"DYNAMIC","uriSpec":null`},
		{codec.Spring, plain, `{"name":"users","id":"u1","address":"10.0.0.9","port":8080,"sslPort":8443,` +
			`"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","id":"u1","name":"users","metadata":{"instance_status":"UP"}},` +
			`"registrationTimeUTC":1795355235886,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"scheme","variable":true},{"value":"://","variable":false},` +
			`{"value":"address","variable":true},{"value":":","variable":false},{"value":"port","variable":true}]}`},
	} {
		got, err := test.format.Encode(codec.Record{Instance: test.in, Registered: registered})
		if public, _, _ := strings.Cut(string(got), `,"adsum":`); err != nil || public != test.want {
			t.Errorf("%s\n got %s, %v\nwant %s", test.format, public, err, test.want)
		}
		back, err := codec.Decode("users", "u1", got)
		if err != nil || !back.Registered.Equal(registered) {
			t.Errorf("%s: registered %v, %v, want %v", test.format, back.Registered, err, registered)
		}
	}
}

func TestNamingNeverWritesAnObjectIntoMetadata(t *testing.T) {
	data, err := codec.Naming.Encode(codec.Record{Instance: full()})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "adsum")
	if want := map[string]any{"Op": 0.0, "Addr": "10.0.0.9:9090", "Metadata": nil}; !reflect.DeepEqual(got, want) {
		t.Errorf("foreign readers see %v, want %v", got, want)
	}
}

func TestParseRefusesWhatIsNotOffered(t *testing.T) {
	if f, err := codec.Parse("addr", codec.Naming, codec.Addr); err != nil || f != codec.Addr {
		t.Errorf("got %s, %v", f, err)
	}
	_, err := codec.Parse("native", codec.Naming, codec.Addr)
	if !errors.Is(err, adsum.ErrInvalid) || !strings.Contains(err.Error(), "naming, addr") {
		t.Errorf("got %v", err)
	}
}

func TestEncodeRefusesUnknownFormat(t *testing.T) {
	if _, err := codec.Format("xml").Encode(codec.Record{Instance: full()}); !errors.Is(err, adsum.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func BenchmarkDecodeNaming(b *testing.B) {
	data, err := codec.Naming.Encode(codec.Record{Instance: full(), Claim: adsum.Claim{Owner: "token", Incarnation: 1}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.Decode("users", "u1", data); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleDecode() {
	r, err := codec.Decode("users", "u1", []byte(`{"Op":0,"Addr":"10.0.0.9:8002","Metadata":{"weight":10,"zone":"eu-1"}}`))
	fmt.Println(r.Format, r.Instance.Addr, r.Instance.Weight, r.Instance.Zone, err)
	_, err = codec.Decode("users", "u2", []byte(`{"Op":0`))
	fmt.Println(err)
	// Output:
	// naming 10.0.0.9:8002 10 eu-1 <nil>
	// not well-formed JSON at byte 7
}
