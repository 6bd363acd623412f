package eureka

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
)

func order(s *servers) []string {
	var hosts []string
	for _, one := range s.order() {
		hosts = append(hosts, one.base.Host)
	}
	return hosts
}

func TestAServerThatFailedRestsAndIsTheFirstChoiceAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := New([]string{"http://a/eureka", "http://b/eureka", "http://c/eureka"}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		s := &r.servers
		is := func(when string, want ...string) {
			t.Helper()
			if got := order(s); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
		is("at first", "a", "b", "c")
		s.note(s.all[0], true)
		is("without the first", "b", "c", "a")
		time.Sleep(10 * time.Second)
		s.note(s.all[1], true)
		is("without two", "c", "a", "b")
		time.Sleep(homeAgain - 10*time.Second)
		is("once the first has rested", "a", "c", "b")
		s.note(s.all[1], false)
		is("after an answer of the second", "a", "b", "c")
		_ = r.Close()
	})
}

func TestServersOfTheOwnZoneComeFirst(t *testing.T) {
	r, err := New([]string{"http://anywhere/eureka"}, Options{Zone: "z2", Zones: map[string][]string{
		"z1": {"http://one/eureka/v2/"}, "z2": {"https://two-a/eureka", "http://u:p@two-b/eureka"}, "z3": {"http://three/eureka"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := order(&r.servers), []string{"two-a", "two-b", "anywhere", "one", "three"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if name, want := r.Capabilities().Registry, "https://two-a/eureka,http://two-b/eureka,http://anywhere/eureka,http://one/eureka/v2,http://three/eureka"; name != want {
		t.Errorf("the registry is called %s, want %s", name, want)
	}
	opened, err := open("eureka+http://anywhere/eureka?zone=z2&servers.z1=one&servers.z2=two-a:1,two-b&servers.z3=three", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := order(&opened.servers), []string{"two-a:1", "two-b:8761", "anywhere:8761", "one:8761", "three:8761"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCapabilitiesAreThoseOfTheServersDescribed(t *testing.T) {
	for rawURL, want := range map[string]time.Duration{
		"eureka+http://h":                         0, // for ever
		"eureka+http://h?self-preservation=false": 2*15*time.Second + 60*time.Second + 30*time.Second + 33*time.Second + 500*time.Millisecond,
		"eureka+http://h?self-preservation=false&server-cache=0&eviction=1s&poll=1s": 2*15*time.Second + time.Second + 1100*time.Millisecond + 500*time.Millisecond,
	} {
		r, err := Open(rawURL)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := r.Capabilities().Detection(adsum.DefaultTTL); got != want {
			t.Errorf("%s: a crash is found within %v, want %v", rawURL, got, want)
		}
	}
}
