package adsumkit_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
)

func TestAnInspectorSeesTheBalancerAndItsPicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.publishAll("a:1", "b:1")
		inspector := &lb.Inspector{}
		e := w.endpointer(newServers())
		b := adsumkit.NewBalancer(e, lb.RoundRobin, adsumkit.WithInspector(inspector))
		synctest.Wait()
		if _, err := adsumkit.Retry(1, 0, b)(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		open := inspector.Balancers()
		if len(open) != 1 {
			t.Fatalf("%d balancers", len(open))
		}
		if i := open[0].Inspect(); i.Transport != "go-kit" || i.Policy != "round_robin" || len(i.Endpoints) != 2 || len(i.Recent) != 1 {
			t.Errorf("%+v", i)
		}
		e.Close()
		if open := inspector.Balancers(); len(open) != 0 {
			t.Errorf("%d balancers after the endpointer was closed", len(open))
		}
	})
}
