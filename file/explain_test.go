package file

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/adsum-go/adsum"
)

func TestAMissingRightIsTyped(t *testing.T) {
	err := explain(&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission})
	if !errors.Is(err, adsum.ErrDenied) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}
