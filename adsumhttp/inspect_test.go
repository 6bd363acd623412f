package adsumhttp_test

import (
	"slices"
	"testing"

	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/lb"
)

func TestAnInspectorSeesTheServicesAndTheirPicks(t *testing.T) {
	f := newFleet(t)
	for _, service := range []string{"web", "book", "book"} {
		f.start(service, names("copy"))
	}
	f.see("book", 2)
	f.see("web", 1)
	inspector := &lb.Inspector{}
	transport := f.transport(adsumhttp.WithInspector(inspector))
	for _, service := range []string{"web", "book", "book"} {
		get(t, transport, "http://"+service+"/")
	}
	var seen []string
	for _, b := range inspector.Balancers() {
		i := b.Inspect()
		seen = append(seen, i.Service+" over "+i.Transport)
		if len(i.Recent) != len(i.Endpoints) { // one call for each copy was made
			t.Errorf("%s: %d picks recorded, of %d copies", i.Service, len(i.Recent), len(i.Endpoints))
		}
	}
	if !slices.Equal(seen, []string{"book over http", "web over http"}) {
		t.Errorf("saw %q", seen)
	}
	if err := transport.Close(); err != nil || len(inspector.Balancers()) != 0 {
		t.Errorf("%v; %d balancers after the transport was closed", err, len(inspector.Balancers()))
	}
}
