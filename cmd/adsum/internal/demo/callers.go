package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/examples/book/bookpb"
)

const (
	callersAtOnce = 4
	callPause     = 3 * time.Millisecond
	callTimeout   = 3 * time.Second
)

// callers call in a loop and keep the score.
type callers struct {
	client bookpb.BookServiceClient
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	total  int
	errs   []error // of the calls that failed
	byAddr map[string]int
	last   map[string]time.Time // when a copy last answered
	waits  map[string]chan struct{}
}

func startCallers(ctx context.Context, client bookpb.BookServiceClient) *callers {
	c := &callers{client: client, byAddr: map[string]int{}, last: map[string]time.Time{}, waits: map[string]chan struct{}{}}
	ctx, c.stop = context.WithCancel(ctx)
	for range callersAtOnce {
		c.done.Go(func() { c.loop(ctx) })
	}
	return c
}

func (c *callers) loop(ctx context.Context) {
	for ctx.Err() == nil {
		var copy adsum.Instance
		// Not ctx: the call that is under way when the loop ends counts, too.
		calling, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		_, err := c.client.GetBookInfo(calling, &bookpb.BookInfoParams{BookId: 1}, adsumgrpc.Answered(&copy))
		cancel()
		c.record(copy.Addr, err)
		select {
		case <-ctx.Done():
		case <-time.After(callPause):
		}
	}
}

func (c *callers) record(addr string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total++
	if err != nil {
		c.errs = append(c.errs, err)
		return
	}
	c.byAddr[addr]++
	c.last[addr] = time.Now()
	if wait := c.waits[addr]; wait != nil {
		close(wait)
		delete(c.waits, addr)
	}
}

// score is how many calls were made and how many of them failed.
func (c *callers) score() (total, failed int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total, len(c.errs)
}

// firstError is what the first call that failed ended with, or nil.
func (c *callers) firstError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.errs) == 0 {
		return nil
	}
	return c.errs[0]
}

// lastAnswer is when the copy last answered.
func (c *callers) lastAnswer(addr string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last[addr]
}

// awaitAnswer waits for the next call that the copy answers.
func (c *callers) awaitAnswer(ctx context.Context, addr string) error {
	c.mu.Lock()
	wait := make(chan struct{})
	c.waits[addr] = wait
	c.mu.Unlock()
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no call was answered by %s: %w", addr, ctx.Err())
	}
}

// end stops the callers and waits for the calls under way.
func (c *callers) end() {
	c.stop()
	c.done.Wait()
}
