package lb

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBudget says that a call was not sent again because too many were.
var ErrBudget = errors.New("the retry budget is spent")

// Budget limits how many calls are sent again, for everybody who shares it:
// over the last ten seconds, a share of the calls or a few each second,
// whichever is more. Without it, retries multiply the load of servers that are
// overloaded already, and keep them so after the cause is gone.
//
// The zero value allows 10 %, and at least 3 a second. A Budget must not be
// copied after its first use. Its methods are safe for concurrent use.
type Budget struct {
	// Ratio is how many calls may be sent again, relative to all; 0.1 if
	// zero.
	Ratio float64
	// PerSecond is how many calls may be sent again in any case, so that
	// those who call seldom can; 3 if zero, none if negative.
	PerSecond int

	mu             sync.Mutex
	seconds        [budgetSeconds]budgetSecond // by the time's remainder
	spent, refused uint64
}

const budgetSeconds = 10

type budgetSecond struct {
	unix    atomic.Int64
	calls   atomic.Int64
	retries int // guarded by the budget's lock
}

// Call counts a call, however often it is sent.
func (b *Budget) Call() { b.second(time.Now().Unix()).calls.Add(1) }

// Spend reports whether a call may be sent once more, and counts it if so.
func (b *Budget) Spend() bool {
	current := b.second(time.Now().Unix())
	b.mu.Lock()
	defer b.mu.Unlock()
	calls, retries := b.lately()
	if float64(retries) >= b.allowed(calls) {
		b.refused++
		return false
	}
	b.spent++
	current.retries++
	return true
}

// giveBack takes back what was spent just now on a call that was not sent after
// all.
func (b *Budget) giveBack() {
	current := b.second(time.Now().Unix())
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent--
	if current.retries > 0 { // else it counts until its second is forgotten
		current.retries--
	}
}

// lately counts the last ten seconds. The caller holds mu.
func (b *Budget) lately() (calls int64, retries int) {
	now := time.Now().Unix()
	for i := range b.seconds {
		s := &b.seconds[i]
		if age := now - s.unix.Load(); 0 <= age && age < budgetSeconds {
			calls += s.calls.Load()
			retries += s.retries
		}
	}
	return calls, retries
}

// allowed is how many may be sent again beside so many calls.
func (b *Budget) allowed(calls int64) float64 {
	return max(b.ratio()*float64(calls), b.least())
}

func (b *Budget) ratio() float64 {
	if b.Ratio == 0 {
		return 0.1
	}
	return b.Ratio
}

// least is what is allowed without any calls.
func (b *Budget) least() float64 {
	if b.PerSecond == 0 {
		return 3 * budgetSeconds
	}
	return float64(max(b.PerSecond, 0)) * budgetSeconds
}

// second returns the counts of the second that begins at unix.
func (b *Budget) second(unix int64) *budgetSecond {
	s := &b.seconds[uint64(unix)%budgetSeconds]
	if s.unix.Load() != unix {
		b.mu.Lock()
		if s.unix.Load() != unix {
			s.calls.Store(0)
			s.retries = 0
			s.unix.Store(unix)
		}
		b.mu.Unlock()
	}
	return s
}
