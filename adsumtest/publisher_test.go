package adsumtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumtest"
)

func TestAPublisherProcessKeepsItsInstanceUntilItIsKilled(t *testing.T) {
	adsumtest.NoLeaks(t)
	server := startRoll(t, "")
	url := "roll://" + server.addr() + "/base"
	const ttl = 500 * time.Millisecond
	in := adsum.Instance{Service: "book", ID: "one", Addr: "10.0.0.5:50051", Metadata: map[string]string{"k": "ü"}}
	process := adsumtest.StartPublisher(t, url, in, ttl)
	registry := mustOpenRoll(t, url)
	defer registry.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var gone, killed bool
	err := registry.Watch(ctx, "book", func(l adsum.Listing) {
		switch {
		case len(l.Instances) == 1 && !killed:
			if got := l.Instances[0]; got.Addr != in.Addr || got.Metadata["k"] != "ü" {
				t.Errorf("published is %+v", got)
			}
			process.Kill()
			process.Kill()
			killed = true
		case len(l.Instances) == 0:
			gone = true
			cancel()
		}
	})
	if err != nil || !gone {
		t.Fatalf("gone %t, %v", gone, err)
	}
	if n := server.saidGoodbye(); n > 0 {
		t.Errorf("it said goodbye %d times, and did not run out", n)
	}
}

func TestAPublisherProcessThatCannotRegisterSaysWhy(t *testing.T) {
	r := &recorder{TB: t}
	ended := make(chan struct{})
	go func() { // Fatalf ends the goroutine
		defer close(ended)
		adsumtest.StartPublisher(r, "roll://host/base?typo=1", adsum.Instance{Service: "book", Addr: "10.0.0.5:50051"}, time.Second)
	}()
	<-ended
	if !r.failed || r.message == "" {
		t.Fatalf("failed %t with %q", r.failed, r.message)
	}
}
