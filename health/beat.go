package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var errNoBeat = errors.New("no beat yet")

// Beat is a check that the application answers by itself: it is well for a
// while after every [Beat.OK], and not when the time runs out or after
// [Beat.Fail]. Call OK out of the work that is to be proven alive, such as
// the loop that handles requests; a timer in a goroutine of its own, or
// another process, would go on beating for a program that hangs.
//
// All methods are safe for concurrent use.
type Beat struct {
	ttl    time.Duration
	notify chan struct{}

	mu     sync.Mutex
	last   time.Time
	err    error // of the last Fail, nil after OK
	expiry *time.Timer
}

// NewBeat makes a beat that lasts for ttl. It begins without one.
func NewBeat(ttl time.Duration) *Beat {
	return &Beat{ttl: ttl, notify: make(chan struct{}, 1), err: errNoBeat}
}

// String is beat.
func (b *Beat) String() string { return "beat" }

// Validate refuses a duration that is over before it began.
func (b *Beat) Validate() error {
	if b.ttl <= 0 {
		return invalid("ttl", b.ttl.String(), "it is not positive", "give the longest time between two beats")
	}
	return nil
}

// OK beats: all is well for another while. It does not block.
func (b *Beat) OK() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last, b.err = time.Now(), nil
	if b.expiry == nil {
		b.expiry = time.AfterFunc(b.ttl, b.wake)
	} else {
		b.expiry.Reset(b.ttl)
	}
	b.wake()
}

// Fail says that something is wrong, until the next OK. It does not block.
func (b *Beat) Fail(err error) {
	if err == nil {
		err = errors.New("the application reports a failure")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	b.wake()
}

// Notify yields after every beat and when one has run out.
func (b *Beat) Notify() <-chan struct{} { return b.notify }

func (b *Beat) wake() {
	select {
	case b.notify <- struct{}{}:
	default: // the checker has not come to the last one yet
	}
}

// Probe returns nil within ttl of the last OK.
func (b *Beat) Probe(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && time.Since(b.last) >= b.ttl {
		return fmt.Errorf("no beat for %v", b.ttl)
	}
	return b.err
}

// Close stops the timer of the last beat.
func (b *Beat) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.expiry != nil {
		b.expiry.Stop()
	}
	return nil
}
