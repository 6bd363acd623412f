package consul

import "sync"

// writing is when the catalog took which writing of a record.
type writing struct {
	term     term
	modified uint64
}

// after reports whether w, following before, is a sign that the registry went
// back: a known writing has another index, an older one is there again, or the
// owner had to register anew.
func (w writing) after(before writing) bool {
	switch {
	case w.term.claim != before.term.claim:
		return false
	case w.term.lease != before.term.lease || w.term.serial < before.term.serial:
		return true
	}
	return w.term.serial == before.term.serial && w.modified != before.modified
}

// writings are what the watches of each service saw last, by entry. They outlive
// a watch: a registry that came back empty may have reached any index by the time
// the next one looks, and only who had to register anew gives it away.
type writings struct {
	mu        sync.Mutex
	byService map[string]map[string]writing
}

func (w *writings) of(service string) map[string]writing {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.byService[service]
}

func (w *writings) keep(service string, seen map[string]writing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(seen) == 0 {
		delete(w.byService, service)
		return
	}
	if w.byService == nil {
		w.byService = map[string]map[string]writing{}
	}
	w.byService[service] = seen
}
