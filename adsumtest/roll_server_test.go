package adsumtest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/adsum-go/adsum"
)

// rollServer is a small registry over HTTP, for which this package's tests
// have a driver: what the suite does to a driver, they do to one here.
//
//	PUT    /BASE/SERVICE/ID?owner=&incarnation=&ttl=  publishes the body
//	POST   /BASE/SERVICE/ID?owner=&written=           keeps it alive, if it is still that write
//	DELETE /BASE/SERVICE/ID?owner=                    withdraws it
//	GET    /BASE/SERVICE?after=&wait=                 lists, once the sequence differs from after
type rollServer struct {
	*httptest.Server
	mu       sync.Mutex
	token    string // demanded, unless empty
	sequence uint64
	records  map[string]rollRecord // by path
	goodbyes int                   // requests to withdraw a record
	changed  chan struct{}
}

type rollRecord struct {
	rollReceipt
	ttl    time.Duration
	value  json.RawMessage
	expiry *time.Timer
}

// rollReceipt is the body of the answer to a publication.
type rollReceipt struct {
	Claim   adsum.Claim
	Written uint64 // the sequence number of this write
}

// rollAnswer is the body of a listing.
type rollAnswer struct {
	Sequence uint64
	Values   map[string]json.RawMessage // by id
}

func newRollServer(token string) *rollServer {
	s := &rollServer{token: token, records: map[string]rollRecord{}, changed: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	return s
}

func (s *rollServer) addr() string { return s.Listener.Addr().String() }

func (s *rollServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	refused := s.token != "" && r.Header.Get("Authorization") != s.token
	s.mu.Unlock()
	if refused {
		http.Error(w, "wrong token", http.StatusForbidden)
		return
	}
	query := r.URL.Query()
	number := func(key string) uint64 {
		n, _ := strconv.ParseUint(query.Get(key), 10, 64)
		return n
	}
	switch r.Method {
	case http.MethodGet:
		s.list(w, r, number("after"), time.Duration(number("wait"))*time.Millisecond)
	case http.MethodPut:
		var value json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&value); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		claim := adsum.Claim{Owner: query.Get("owner"), Incarnation: number("incarnation")}
		s.put(w, r.URL.Path, rollRecord{rollReceipt: rollReceipt{Claim: claim}, ttl: time.Duration(number("ttl")) * time.Millisecond, value: value})
	case http.MethodPost, http.MethodDelete:
		s.touch(w, r, query.Get("owner"), number("written"))
	}
}

func (s *rollServer) put(w http.ResponseWriter, path string, rec rollRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, taken := s.records[path]
	if taken && rec.Claim.Incarnation != 0 && old.Claim.Owner != rec.Claim.Owner && old.Claim.YoungerThan(rec.Claim, s.sequence) {
		http.Error(w, "a younger owner holds it", http.StatusConflict)
		return
	}
	if taken {
		old.expiry.Stop()
	}
	rec.Written = s.sequence + 1
	if rec.Claim.Incarnation == 0 {
		rec.Claim.Incarnation = rec.Written
	}
	s.store(path, rec)
	_ = json.NewEncoder(w).Encode(rec.rollReceipt)
}

func (s *rollServer) store(path string, rec rollRecord) {
	rec.expiry = time.AfterFunc(rec.ttl, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if current, ok := s.records[path]; ok && current.expiry == rec.expiry {
			s.drop(path)
		}
	})
	s.records[path] = rec
	s.wrote()
}

func (s *rollServer) drop(path string) {
	if rec, ok := s.records[path]; ok {
		rec.expiry.Stop()
		delete(s.records, path)
		s.wrote()
	}
}

func (s *rollServer) wrote() {
	s.sequence++
	close(s.changed)
	s.changed = make(chan struct{})
}

// touch renews or withdraws.
func (s *rollServer) touch(w http.ResponseWriter, r *http.Request, owner string, written uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodDelete {
		s.goodbyes++
	}
	rec, ok := s.records[r.URL.Path]
	switch {
	case !ok, r.Method == http.MethodPost && rec.Claim.Owner == owner && rec.Written != written:
		http.Error(w, "no such record", http.StatusNotFound)
	case rec.Claim.Owner != owner:
		http.Error(w, "a younger owner holds it", http.StatusConflict)
	case r.Method == http.MethodDelete:
		s.drop(r.URL.Path)
	default:
		rec.expiry.Reset(rec.ttl)
	}
}

func (s *rollServer) list(w http.ResponseWriter, r *http.Request, after uint64, wait time.Duration) {
	limit := time.NewTimer(wait)
	defer limit.Stop()
	for {
		s.mu.Lock()
		answer, changed := rollAnswer{s.sequence, map[string]json.RawMessage{}}, s.changed
		for path, rec := range s.records {
			if id, ok := strings.CutPrefix(path, r.URL.Path+"/"); ok {
				answer.Values[id] = rec.value
			}
		}
		s.mu.Unlock()
		late := false
		if answer.Sequence == after {
			select {
			case <-changed:
				continue
			case <-limit.C:
				late = true
			case <-r.Context().Done():
				return
			}
		}
		if late || answer.Sequence != after {
			_ = json.NewEncoder(w).Encode(answer)
			return
		}
	}
}

func (s *rollServer) remove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(path)
}

// saidGoodbye is how often a client asked to withdraw a record.
func (s *rollServer) saidGoodbye() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.goodbyes
}

func (s *rollServer) setToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// reset makes the server hold what it held at an earlier sequence.
func (s *rollServer) reset(sequence uint64, records map[string]rollRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path := range s.records {
		s.drop(path)
	}
	for path, rec := range records {
		s.store(path, rec)
	}
	s.sequence = sequence
}

// backup returns what puts the present state back.
func (s *rollServer) backup() (restore func() error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sequence, records := s.sequence, map[string]rollRecord{}
	for path, rec := range s.records {
		records[path] = rec
	}
	return func() error { s.reset(sequence, records); return nil }, nil
}
