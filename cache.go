package adsum

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	cacheVersion = 1
	// cacheEvery bounds how often a file is written, and cacheTouchEvery
	// how often one whose content did not change gets a new time.
	cacheEvery      = time.Second
	cacheTouchEvery = time.Minute
	// remainsAfter is when a file that was to take another's place counts
	// as left behind.
	remainsAfter = time.Minute
)

// cache is a folder with the last known good of services.
type cache struct {
	folder   string
	maxAge   time.Duration
	registry string // a copy from another registry is not ours to use
	log      *slog.Logger
	tidy     sync.Once
}

// cacheFile is what a file holds. Its time of modification is when the
// registry last confirmed it.
type cacheFile struct {
	Version   int         `json:"version"`
	Registry  string      `json:"registry"`
	Service   string      `json:"service"`
	ChangedAt time.Time   `json:"changed_at"`
	Instances []*Instance `json:"instances"`
}

// cacheEntry is one service's file. Writing happens in the background, and
// holds no lock meanwhile: a disk that hangs must not hold up the snapshots.
type cacheEntry struct {
	cache   *cache
	service string
	path    string
	writes  sync.WaitGroup // due or under way
	failing bool           // of whoever writes

	mu        sync.Mutex
	due       *time.Timer // set from when a write is due until it has ended
	newest    *Snapshot
	written   *Snapshot
	writtenAt time.Time
	touchedAt time.Time
	closed    bool
}

func (c *cache) entry(service string) *cacheEntry {
	// The grammar of service names has nothing that a file system minds.
	return &cacheEntry{cache: c, service: service, path: filepath.Join(c.folder, service+".json")}
}

// load returns what an earlier run knew, nil if nothing that can be used.
func (e *cacheEntry) load() *Snapshot {
	e.cache.tidy.Do(e.cache.removeRemains)
	s, err := e.read()
	switch {
	case err == nil:
		return s
	case !errors.Is(err, fs.ErrNotExist):
		e.cache.log.Warn("last known good on disk ignored", "file", e.path, "error", err)
	}
	return nil
}

// removeRemains removes what writers left behind that were killed in the middle
// of it. What is younger may be another process', at work now.
func (c *cache) removeRemains() {
	files, err := os.ReadDir(c.folder)
	if err != nil {
		return // there is nothing yet; else whoever reads or writes tells
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil || !isRemains(file.Name()) || time.Since(info.ModTime()) < remainsAfter {
			continue
		}
		if err := os.Remove(filepath.Join(c.folder, file.Name())); err != nil {
			c.log.Warn("cannot remove what a write left behind", "file", file.Name(), "error", err)
		}
	}
}

// tempPattern is for the files that are written first, and then take the place
// of path; isRemains knows their names.
func tempPattern(path string) string { return "." + filepath.Base(path) + ".*" }

func isRemains(name string) bool {
	return strings.HasPrefix(name, ".") && strings.Contains(name, ".json.")
}

func (e *cacheEntry) read() (*Snapshot, error) {
	info, err := os.Stat(e.path)
	if err != nil {
		return nil, err
	}
	if age := time.Since(info.ModTime()); age > e.cache.maxAge {
		return nil, fmt.Errorf("it is %v old, older than %v", age.Round(time.Second), e.cache.maxAge)
	}
	data, err := os.ReadFile(e.path)
	if err != nil {
		return nil, err
	}
	file, err := decodeCache(data)
	if err != nil {
		return nil, err
	}
	if file.Service != e.service || file.Registry != e.cache.registry {
		return nil, fmt.Errorf("it is of service %s in %s", quote(file.Service), quote(file.Registry))
	}
	return &Snapshot{Service: e.service, Instances: file.Instances, ChangedAt: file.ChangedAt, SyncedAt: info.ModTime()}, nil
}

func decodeCache(data []byte) (*cacheFile, error) {
	var file cacheFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("it is corrupt: %w", err)
	}
	if file.Version != cacheVersion {
		return nil, fmt.Errorf("it is of version %d, not %d", file.Version, cacheVersion)
	}
	for _, in := range file.Instances {
		if in == nil || in.ID == "" || ValidateAddr(in.Addr) != nil {
			return nil, errors.New("it is corrupt: an instance has no id or no valid address")
		}
	}
	slices.SortFunc(file.Instances, compareID)
	return &file, nil
}

// save has the snapshot written soon. It does not block.
func (e *cacheEntry) save(s *Snapshot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.newest = s
	e.schedule()
}

// schedule sees to it that the file will say what the newest snapshot does.
// The caller holds mu.
func (e *cacheEntry) schedule() {
	if e.closed || e.due != nil || !e.stale() {
		return
	}
	e.writes.Add(1)
	e.due = time.AfterFunc(max(0, cacheEvery-time.Since(e.writtenAt)), func() {
		defer e.writes.Done()
		s := e.write()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.due = nil
		if e.newest != s { // else it was written, or failed and waits for news
			e.schedule()
		}
	})
}

// stale tells whether the file says less than the newest snapshot. The caller
// holds mu.
func (e *cacheEntry) stale() bool {
	return e.written == nil || e.written.Generation != e.newest.Generation ||
		e.newest.SyncedAt.Sub(e.touchedAt) >= cacheTouchEvery
}

// write brings the file up to the newest snapshot, and returns that. One
// goroutine at a time calls it.
func (e *cacheEntry) write() *Snapshot {
	e.mu.Lock()
	s, before := e.newest, e.written
	e.writtenAt = time.Now()
	e.mu.Unlock()
	err := e.put(s, before)
	if err != nil && !e.failing {
		e.cache.log.Warn("cannot keep the last known good on disk", "file", e.path, "error", err)
	}
	e.failing = err != nil
	if err == nil {
		e.mu.Lock()
		e.written, e.touchedAt = s, s.SyncedAt
		e.mu.Unlock()
	}
	return s
}

// put writes a snapshot where the one before it lies, nil if none of ours.
func (e *cacheEntry) put(s, before *Snapshot) error {
	if before != nil && before.Generation == s.Generation {
		return os.Chtimes(e.path, s.SyncedAt, s.SyncedAt)
	}
	data, err := json.Marshal(cacheFile{cacheVersion, e.cache.registry, e.service, s.ChangedAt, s.Instances})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(e.cache.folder, 0o700); err != nil {
		return err
	}
	return replaceFile(e.path, data, s.SyncedAt)
}

// replaceFile writes a file so that a reader, or a crash at any moment, finds
// the old or the new content and nothing between. CreateTemp makes it 0600.
func replaceFile(path string, data []byte, modified time.Time) error {
	temp, err := os.CreateTemp(filepath.Dir(path), tempPattern(path))
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Chtimes(temp.Name(), modified, modified)
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return nil
}

// close writes what is still due and ends the background work.
func (e *cacheEntry) close() {
	e.mu.Lock()
	e.closed = true
	if e.due != nil && e.due.Stop() {
		e.writes.Done()
	}
	e.mu.Unlock()
	e.writes.Wait()
	e.mu.Lock()
	due := e.newest != nil && e.stale()
	e.mu.Unlock()
	if due {
		e.write()
	}
}
