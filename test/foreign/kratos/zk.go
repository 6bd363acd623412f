package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-kratos/kratos/contrib/registry/zookeeper/v2"
	"github.com/go-zookeeper/zk"
)

func openZooKeeper(addr string) (*kratosRegistry, error) {
	conn, _, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		return nil, err
	}
	r := zookeeper.New(conn)
	return &kratosRegistry{r, func(ctx context.Context, service string) error { return poll(ctx, r, service) }}, nil
}

// poll asks again and again. Kratos' watcher of ZooKeeper sets its watch anew
// while the list is read, and may miss what changes in between.
func poll(ctx context.Context, r *zookeeper.Registry, service string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	printed := "nothing yet"
	for {
		instances, err := r.GetService(ctx, service)
		if err != nil && !errors.Is(err, zk.ErrNoNode) { // a node may go between its listing and its reading
			return err
		}
		if now := endpoints(instances); err == nil && now != printed {
			fmt.Println(now)
			printed = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
