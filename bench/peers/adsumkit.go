package peers

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/go-kit/kit/sd"

	registry "github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumkit"
	"github.com/adsum-go/adsum/lb"
)

// adsumKit is our engine behind go-kit's interfaces, with its retries.
func adsumKit() []Contender {
	return []Contender{{
		Policy: "round_robin+retry", Library: "adsum", Name: "adsumkit round_robin, Retry",
		Open: openAdsumKit,
	}}
}

func openAdsumKit(n int) (_ Fleet, err error) {
	source := adsumkit.FromInstancers(map[string]sd.Instancer{"book": newEvents(n)})
	dir := registry.NewDirectory(source, registry.WithLogger(slog.New(slog.DiscardHandler)))
	closing := func() error { return errors.Join(dir.Close(), source.Close()) }
	instancer, err := adsumkit.NewInstancer(dir, "book")
	if err != nil {
		return nil, errors.Join(err, closing())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := instancer.Ready(ctx); err != nil {
		instancer.Stop()
		return nil, errors.Join(err, closing())
	}
	endpointer := adsumkit.NewEndpointer(instancer, answering)
	call := adsumkit.Retry(3, 3*time.Second, adsumkit.NewBalancer(endpointer, lb.RoundRobin))
	return &endpoints{call, func() {
		endpointer.Close()
		instancer.Stop()
		_ = closing()
	}}, nil
}
