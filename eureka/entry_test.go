package eureka

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/adsum-go/adsum"
)

func decode(service string, raw []byte, preferIP bool) (*entry, error) {
	l, err := parse(raw)
	if err != nil {
		return nil, err
	}
	return l.decode(service, preferIP)
}

func decodeList(service string, body []byte, preferIP bool) ([]*entry, []adsum.Skipped, error) {
	return (&view{service: service, preferIP: preferIP}).decode(body)
}

// What other programs register, as Spring Cloud's server gives it back.
const (
	fromJava = `{"instanceId":"users-127.0.0.1-7004","hostName":"127.0.0.1","app":"USERS","ipAddr":"127.0.0.1","status":"UP","overriddenStatus":"UNKNOWN",
		"port":{"$":7004,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},"countryId":1,
		"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},
		"leaseInfo":{"renewalIntervalInSecs":3,"durationInSecs":10,"registrationTimestamp":1795357041550,"lastRenewalTimestamp":1795357041550,"evictionTimestamp":0,"serviceUpTimestamp":1795357041550},
		"metadata":{"zone":"eu-1","weight":"10","version":"1.2","tags":"a, b"},"homePageUrl":"http://127.0.0.1:7004/","vipAddress":"users","secureVipAddress":"users",
		"isCoordinatingDiscoveryServer":"false","lastUpdatedTimestamp":"1795357041528","lastDirtyTimestamp":"1795357042584","actionType":"ADDED"}`
	fromSpring = `{"instanceId":"host-1:users:8080","hostName":"host-1","ipAddr":"10.0.0.1","status":"STARTING","overriddenStatus":"UNKNOWN",
		"port":{"$":8080,"@enabled":"true"},"securePort":{"$":8443,"@enabled":"true"},"metadata":{"management.port":"9090","gRPC_port":"9091"},"vipAddress":"users","lastDirtyTimestamp":"7"}`
	fromGoKit = `{"hostName":"127.0.0.1","ipAddr":"127.0.0.1","status":"UP","overriddenstatus":"OUT_OF_SERVICE",
		"port":{"$":"7001","@enabled":true},"securePort":{"$":"443","@enabled":"false"},"metadata":{"@class":"java.util.Collections$EmptyMap"},"lastDirtyTimestamp":9}`
	odd = `{"instanceId":"a b/c","hostName":"2001:db8::1","ipAddr":"2001:db8::2","status":"up","port":8080,"metadata":{"weight":3,"flag":true,"none":null,"deep":{"a":[1]},"esc":"a\u001bb"}}`
)

func TestWhatOtherProgramsRegisterIsRead(t *testing.T) {
	for raw, want := range map[string]adsum.Instance{
		fromJava: {ID: "users-127.0.0.1-7004", Service: "users", Addr: "127.0.0.1:7004", Zone: "eu-1", Weight: 10, Version: "1.2", Tags: []string{"a", "b"},
			Metadata: map[string]string{"zone": "eu-1", "weight": "10", "version": "1.2", "tags": "a, b"}, Status: adsum.Passing},
		fromSpring: {ID: "host-1:users:8080", Service: "users", Addr: "host-1:8443", Weight: 1, Status: adsum.Starting,
			Endpoints: map[string]string{"https": "host-1:8443", "http": "host-1:8080", "grpc": "host-1:9091", "management": "host-1:9090"},
			Metadata:  map[string]string{"management.port": "9090", "gRPC_port": "9091"}},
		fromGoKit: {ID: "127.0.0.1", Service: "users", Addr: "127.0.0.1:7001", Weight: 1, Status: adsum.Draining, Reported: adsum.Passing},
		odd: {ID: "a%20b%2Fc", Service: "users", Addr: "[2001:db8::1]:8080", Weight: 3, Status: adsum.Passing,
			Metadata: map[string]string{"weight": "3", "flag": "true", "none": "", "deep": `{"a":[1]}`, "esc": "a\uFFFDb"}},
	} {
		e, err := decode("users", []byte(raw), false)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
		} else if !e.in.Equal(&want) {
			t.Errorf("got  %+v\nwant %+v", *e.in, want)
		}
	}
	e, err := decode("users", []byte(fromSpring), true)
	if err != nil || e.in.Addr != "10.0.0.1:8443" || e.in.Endpoints["grpc"] != "10.0.0.1:9091" {
		t.Errorf("with the IP preferred: %+v, %v", e.in, err)
	}
}

func TestTheStatusOfEurekaIsHonoured(t *testing.T) {
	said := func(in adsum.Instance, s status) string {
		raw, err := encode(in, adsum.Claim{Owner: "o", Incarnation: 1}, adsum.Override{}, time.Second, 1)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Instance map[string]any }
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatal(err)
		}
		body.Instance["status"] = s
		raw, _ = json.Marshal(body.Instance)
		e, err := decode("book", raw, false)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %s %s", e.in.Status, e.in.Reported, e.in.Reason)
	}
	for _, c := range []struct {
		own    adsum.Status
		status status
		want   string
	}{
		{adsum.Passing, up, "passing  why"},
		{adsum.Warning, up, "warning  why"},
		{adsum.Critical, down, "critical  why"},
		{adsum.Starting, starting, "starting  why"},
		{adsum.Draining, outOfService, "draining  why"},
		{adsum.Draining, up, "draining  why"},              // its override was not yet set, or somebody removed it
		{adsum.Critical, up, "critical  why"},              // somebody forced it up: worse news stays
		{adsum.Passing, outOfService, "draining passing "}, // somebody drains it
		{adsum.Warning, down, "critical warning "},         // somebody took it down
		{adsum.Critical, outOfService, "critical  why"},    // worse news stays
		{adsum.Passing, "ODD\x1b", `critical passing its status in Eureka is "ODD\x1b"`},
	} {
		in := adsum.Instance{ID: "x", Service: "book", Addr: "h:1", Weight: 1, Status: c.own, Reason: "why"}
		if got := said(in, c.status); got != c.want {
			t.Errorf("own word %s, Eureka's %s: %q, want %q", c.own, c.status, got, c.want)
		}
	}
}

// full says everything that an instance can say.
var full = adsum.Instance{
	ID: "[2001:db8::1]:8080", Service: "Book.store", Addr: "[2001:db8::1]:8080", Weight: 7, Zone: "eu-1a", Version: "1.2",
	Endpoints: map[string]string{"grpc": "[2001:db8::1]:9090", "https": "[2001:db8::1]:8443", "management": "other:1"},
	Tags:      []string{"a,b", "c"}, Status: adsum.Warning, Reason: "slow",
	Metadata: map[string]string{"team": "shelf", "zone": "mine", "adsum": "mine", "título": "é", "a/b": "", "@class": "x", "management.port": "81"},
}

func TestAnInstanceComesBackAsItWent(t *testing.T) {
	claim := adsum.Claim{Owner: "OWNER", Incarnation: 12}
	raw, err := encode(full, claim, adsum.Override{}, 15*time.Second, 34)
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ Instance json.RawMessage }
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatal(err)
	}
	e, err := decode(full.Service, body.Instance, true)
	if err != nil || !e.in.Equal(&full) || e.claim != claim || e.dirty != 34 || !e.ours {
		t.Errorf("%v; got  %+v\nwant %+v", err, e.in, full)
	}
}

func TestForeignReadersFindWhatTheyKnow(t *testing.T) {
	raw, err := encode(full, adsum.Claim{}, adsum.Override{}, 15*time.Second, 34)
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ Instance map[string]any }
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatal(err)
	}
	metadata := body.Instance["metadata"].(map[string]any)
	delete(metadata, metaOurs)
	for key, want := range map[string]any{
		"instanceId": "Book.store:[2001:db8::1]:8080", "app": "BOOK.STORE", "vipAddress": "Book.store", "secureVipAddress": "Book.store",
		"hostName": "[2001:db8::1]", "ipAddr": "2001:db8::1", "status": "UP", "overriddenStatus": "UNKNOWN",
		"port": map[string]any{"$": 8080., "@enabled": "true"}, "securePort": map[string]any{"$": 8443., "@enabled": "true"},
		"leaseInfo":          map[string]any{"renewalIntervalInSecs": 5., "durationInSecs": 15.},
		"dataCenterInfo":     map[string]any{"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
		"lastDirtyTimestamp": "34",
		"metadata": map[string]any{"team": "shelf", "zone": "eu-1a", "weight": "7", "version": "1.2", "tags": "a,b,c",
			"gRPC_port": "9090", "management.port": "81"},
	} {
		if got := body.Instance[key]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %v, want %v", key, got, want)
		}
	}
}

func TestBrokenInstancesHideNothingAndAreNamedPrintably(t *testing.T) {
	body := `{"application":{"name":"BOOK","instance":[` + strings.Join([]string{
		`{"instanceId":"good","hostName":"h","status":"UP","port":{"$":1,"@enabled":"true"}}`,
		`{"instanceId":"no port","hostName":"h","status":"UP"}`,
		`{"instanceId":"bad host\u001b","hostName":"a\u001bb","port":{"$":1,"@enabled":"true"}}`,
		`{"instanceId":"wrong types","hostName":"h","port":{"$":1,"@enabled":"true"},"metadata":[1]}`,
		`17`, `null`, `"text"`, `[]`,
		`{"instanceId":"book:x","hostName":"h","vipAddress":"book","port":{"$":1,"@enabled":"true"},"metadata":{"adsum":"{\"adsum\":{}}"}}`,
		`{"instanceId":"book:y","hostName":"h","vipAddress":"book","port":{"$":1,"@enabled":"true"},"metadata":{"adsum":"10.0.0.1:80"}}`,
		`{"instanceId":"large","hostName":"h","port":{"$":1,"@enabled":"true"},"metadata":{"x":"` + strings.Repeat("x", maxEntry) + `"}}`,
		`{"instanceId":"BOOK:z","hostName":"h","vipAddress":"BOOK","port":{"$":1,"@enabled":"true"},"metadata":{"adsum":"{\"adsum\":{\"addr\":\"h:1\",\"weight\":1,\"status\":\"passing\"}}"}}`,
	}, ",") + `]}}`
	entries, skipped, err := decodeList("book", []byte(body), false)
	if err != nil || len(entries) != 1 || entries[0].in.ID != "good" || len(skipped) != 11 {
		t.Fatalf("%d read, %d skipped, %v", len(entries), len(skipped), err)
	}
	for _, s := range skipped {
		if text := s.Key + s.Err.Error(); strings.ContainsFunc(text, unicode.IsControl) || len(text) > 400 || s.Key == "" {
			t.Errorf("not fit to print: %q", text)
		}
	}
}

func TestOneInstanceMayBeAnObject(t *testing.T) {
	for body, want := range map[string]int{
		`{"application":{"name":"USERS","instance":` + fromJava + `}}`:                                 1,
		`{"application":{"name":"USERS","instance":[` + fromJava + `,` + fromSpring + `]}}`:            2,
		`{"application":{"name":"USERS"}}`:                                                             0,
		`{"application":{"name":"USERS","instance":[]}}`:                                               0,
		`{"application":{"name":"USERS","instance":null}}`:                                             0,
		`{"application": {"name":"USERS","instance":[` + fromGoKit + `], "unknown":{"more":[1,2,3]}}}`: 1,
	} {
		if entries, skipped, err := decodeList("users", []byte(body), false); err != nil || len(entries) != want || len(skipped) > 0 {
			t.Errorf("%s: %d, %v, %v", body, len(entries), skipped, err)
		}
	}
	for _, body := range []string{"", "<html>", `{"applications":{}}`, `[]`, `{"application":3}`} {
		if _, _, err := decodeList("users", []byte(body), false); err == nil {
			t.Errorf("%q counts as an answer", body)
		}
	}
}

func TestServicesAreCalledAsTheirInstancesSpellThem(t *testing.T) {
	names, err := decodeNames([]byte(`{"applications":{"application":[
		{"name":"BOOK.STORE","instance":[{"vipAddress":"Book.store"}]},
		{"name":"USERS","instance":{"vipAddress":"users.example.com"}},
		{"name":"NOBODY","instance":[]},
		{"name":"ADSUM-OVERRIDES","instance":[{"vipAddress":"adsum-overrides"}]},
		{"name":"A\u001b","instance":[{}]},
		{"name":"ODD","instance":[3,null]}]}}`))
	if want := []string{"Book.store", "odd", "users"}; err != nil || !reflect.DeepEqual(names, want) {
		t.Errorf("%q, %v, want %q", names, err, want)
	}
	if names, err := decodeNames([]byte(`{"applications":{"versions__delta":"1","application":[]}}`)); err != nil || len(names) != 0 {
		t.Errorf("an empty registry: %q, %v", names, err)
	}
}

func FuzzDecodeList(f *testing.F) {
	for _, raw := range []string{fromJava, fromSpring, fromGoKit, odd} {
		f.Add([]byte(`{"application":{"name":"USERS","instance":` + raw + `}}`))
	}
	own, err := encode(full, adsum.Claim{Owner: "o", Incarnation: 1}, adsum.Override{}, time.Second, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"application":` + string(own) + `}`))
	f.Add([]byte(`{"applications":{"application":[{"name":"X","instance":[{}]}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, skipped, err := decodeList("users", body, false)
		for _, e := range entries {
			if err := e.in.Validate(); err != nil {
				t.Errorf("listed, and not valid: %v", err)
			}
		}
		for _, s := range skipped {
			if strings.ContainsFunc(s.Key+s.Err.Error(), unicode.IsControl) {
				t.Errorf("not fit to print: %q %q", s.Key, s.Err)
			}
		}
		if err != nil && strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Errorf("not fit to print: %q", err)
		}
		names, err := decodeNames(body)
		for _, name := range names {
			if err := adsum.ValidateService(name); err != nil {
				t.Error(err)
			}
		}
		if err != nil && strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Errorf("not fit to print: %q", err)
		}
	})
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("10.0.0.1:80", "eu-1", "k", "v", "tag", "passing", uint16(3))
	f.Add("[::1]:80", "", "adsum", "", "", "draining", uint16(0))
	f.Add("10.0.0.1:80", "", "adsum.override", "{}", "", "", uint16(0))
	f.Fuzz(func(t *testing.T, addr, zone, key, value, tag, health string, weight uint16) {
		in := adsum.Instance{Service: "book", Addr: addr, Zone: zone, Metadata: map[string]string{key: value}, Tags: []string{tag},
			Status: adsum.Status(health), Weight: int(weight), Endpoints: map[string]string{"https": addr}}.WithDefaults()
		if in.Validate() != nil {
			return // refused before it comes here
		}
		raw, err := encode(in, adsum.Claim{Owner: "o", Incarnation: 1}, adsum.Override{}, time.Second, 1)
		if err != nil {
			return
		}
		var body struct{ Instance json.RawMessage }
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatal(err)
		}
		e, err := decode("book", body.Instance, false)
		if err != nil || !e.in.Equal(&in) {
			t.Errorf("%v; got  %+v\nwant %+v", err, e.in, in)
		}
	})
}

func BenchmarkDecodeList(b *testing.B) {
	var all []string
	for n := range 1000 {
		in := full
		in.ID = fmt.Sprint("copy-", n)
		raw, err := encode(in, adsum.Claim{Owner: "o", Incarnation: 1}, adsum.Override{}, time.Second, 1)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, strings.TrimSuffix(strings.TrimPrefix(string(raw), `{"instance":`), "}"))
	}
	body := []byte(`{"application":{"name":"BOOK.STORE","instance":[` + strings.Join(all, ",") + `]}}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if entries, skipped, err := decodeList(full.Service, body, false); err != nil || len(entries) != 1000 {
			b.Fatal(len(entries), skipped, err)
		}
	}
}
