package eureka

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// tell puts an operator's word into metadata: for our readers, and a weight
// also for those of Spring Cloud.
func tell(metadata map[string]string, word adsum.Override) error {
	if word == (adsum.Override{}) {
		return nil
	}
	value, err := codec.EncodeOverride(word)
	if err != nil {
		return err
	}
	metadata[metaWord] = string(value)
	if word.Weight != 0 {
		metadata[metaWeight] = strconv.Itoa(word.Weight)
	}
	return nil
}

// wordIn reads an operator's word from metadata; nil if there is none. One
// that cannot be read is none.
func wordIn(metadata map[string]string) *adsum.Override {
	value, ok := metadata[metaWord]
	if !ok {
		return nil
	}
	if value == "" {
		return &adsum.Override{}
	}
	word, err := codec.DecodeOverride([]byte(value))
	if err != nil {
		return nil
	}
	return &word
}

// drains tells whether Eureka is to drain an instance.
func drains(in adsum.Instance, word adsum.Override) bool {
	return in.Status == adsum.Draining || word.Status == adsum.Draining
}

// words are what operators said of the instances that this process keeps, for
// when the servers lose their memory.
type words struct {
	mu  sync.Mutex
	all map[kept]adsum.Override // guarded by mu
}

// kept names an instance and who keeps it: another owner of this process may
// have taken it over.
type kept struct{ service, id, owner string }

func (w *words) of(k kept) adsum.Override {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all[k]
}

// keep notes a word; the zero one is forgotten.
func (w *words) keep(k kept, word adsum.Override) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if word == (adsum.Override{}) {
		delete(w.all, k)
		return
	}
	if w.all == nil {
		w.all = map[kept]adsum.Override{}
	}
	w.all[k] = word
}

func (l *lease) kept() kept { return kept{l.service, l.id, l.claim.Owner} }

// recall finds the word that is in force before anything is published.
// Without the right to read the ledger, there is none.
func (l *lease) recall(ctx context.Context) (adsum.Override, error) {
	word, err := l.consult(ctx, l.r.words.of(l.kept()))
	if errors.Is(err, adsum.ErrDenied) {
		return word, nil
	}
	return word, err
}

// consult returns what the ledger says. One that does not know the instance,
// because the servers lost their memory, is told what was in force.
func (l *lease) consult(ctx context.Context, known adsum.Override) (adsum.Override, error) {
	b, err := l.r.ledger(ctx, l.service)
	if err != nil {
		return known, err
	}
	if word, told := b.of(l.id); told || known == (adsum.Override{}) {
		return word, nil
	}
	return l.r.amend(ctx, l.service, func(b *ledger) adsum.Override {
		word, told := b.of(l.id)
		if !told {
			word = known
			b.say(l.id, word)
		}
		return word
	})
}

// wordAt is the word in force as far as a record of ours tells.
func (l *lease) wordAt(held *entry) adsum.Override {
	if held.word != nil {
		return *held.word
	}
	return l.word
}

// obey publishes anew when an operator's word has changed, and sees to it that
// the servers keep it. The ledger is asked after each publication, which may have
// written over a new word, at every look while a word is in force, and else once
// in a TTL: a server may have dropped the record that had the word, and have got
// it anew from a peer that had not heard of it. It returns the record's
// lastDirtyTimestamp. The caller has the turn.
func (l *lease) obey(ctx context.Context, held *entry) (int64, error) {
	word := l.wordAt(held)
	if l.known > 0 {
		l.known--
	}
	if l.known == 0 || word != (adsum.Override{}) {
		said, err := l.consult(ctx, word)
		switch {
		case err == nil:
			word, l.known = said, looksPerTTL
		case !errors.Is(err, adsum.ErrDenied):
			return held.dirty, nil // what was published stands until there is an answer
		}
	}
	undone := held.word != nil && *held.word == adsum.Override{}
	if word != l.word || undone {
		// Before it is published: the servers may lose their memory between
		// the writing of a record and its reading back.
		l.r.words.keep(l.kept(), word)
		_, err := l.publish(ctx, l.in, word)
		return l.dirty, err
	}
	// What fails here is done at the next look, as is a ledger written that
	// is gone. It is no reason to lose the lease.
	if l.again > 0 && held.override != outOfService {
		l.again--
		_ = l.r.undoDrain(ctx, instancePath(l.service, l.id), statusOf(l.in.Status))
	}
	if word.Status == adsum.Draining && held.override != outOfService {
		_ = l.r.drain(ctx, instancePath(l.service, l.id))
	}
	if word != (adsum.Override{}) {
		_, _ = l.r.call(ctx, request{method: http.MethodPut, path: ledgerPath(l.service), query: url.Values{"status": {string(outOfService)}}})
	}
	return held.dirty, nil
}
