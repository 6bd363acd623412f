// Package content reads files that change while a program runs.
package content

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/adsum-go/adsum"
)

const (
	// DefaultInterval is how often a file is looked at.
	DefaultInterval = time.Second
	minInterval     = 10 * time.Millisecond
	// doubt is for how long after its modification a file is read again
	// although size and time are the same: clocks of file systems are
	// coarse, and a second write may hide behind the first.
	doubt = 2 * time.Second
)

// ErrTooLarge says that a file holds more than is read.
var ErrTooLarge = errors.New("the file is too large")

// Interval is how often to look at a file: [DefaultInterval] if it is zero. One
// that is too short is an [adsum.InvalidError].
func Interval(given time.Duration) (time.Duration, error) {
	if given == 0 {
		return DefaultInterval, nil
	}
	if given < minInterval {
		return 0, &adsum.InvalidError{Field: "interval", Value: given.String(), Problem: "it is shorter than " + minInterval.String(),
			Fix: "leave it out for " + DefaultInterval.String()}
	}
	return given, nil
}

// Stamp is what to remember of a file between two looks. The zero value is of
// no file.
type Stamp struct {
	info fs.FileInfo
	sum  [sha256.Size]byte
}

// Read reads a file of at most limit bytes, if its content may be another than
// when last was taken, and returns its stamp of now. changed tells whether it is
// another; data is nil if not. A file that is larger is a changed one as well,
// with [ErrTooLarge]. After any other error last still holds.
func Read(path string, last Stamp, limit int64) (data []byte, now Stamp, changed bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, last, false, err
	}
	if last.same(info) && time.Since(info.ModTime()) > doubt {
		return nil, last, false, nil
	}
	data, err = slurp(path, limit+1)
	if err != nil {
		return nil, last, false, err
	}
	now = Stamp{info, sha256.Sum256(data)}
	switch {
	case now.sum == last.sum:
		return nil, now, false, nil
	case int64(len(data)) > limit:
		return nil, now, true, fmt.Errorf("%w: more than %d MiB", ErrTooLarge, limit>>20)
	}
	return data, now, true, nil
}

// same tells whether the file is the one that was read, and nobody wrote to it.
// A file that another was renamed onto may have the size and time of the first.
func (s Stamp) same(info fs.FileInfo) bool {
	return s.info != nil && s.info.Size() == info.Size() && s.info.ModTime().Equal(info.ModTime()) && os.SameFile(s.info, info)
}

// JSON is data itself, or what the converter for the ending of path, such as
// ".yaml", makes of it.
func JSON(path string, data []byte, convert map[string]func([]byte) ([]byte, error)) ([]byte, error) {
	if convert := convert[filepath.Ext(path)]; convert != nil {
		return convert(data)
	}
	return data, nil
}

func slurp(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
