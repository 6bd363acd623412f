//go:build unix

package servers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// cacheVariable names the environment variable that moves the cache.
const cacheVariable = "ADSUM_TEST_SERVERS"

// CacheDir is where prepared servers are kept: the folder named by the
// environment variable ADSUM_TEST_SERVERS, else adsum/testservers in the
// user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv(cacheVariable); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w; set %s to a folder for the test servers", err, cacheVariable)
	}
	return filepath.Join(dir, "adsum", "testservers"), nil
}

// artifact is what servers are started from, a program or a set of jars, made
// once and kept in the cache under a name that changes with its inputs.
type artifact struct {
	name     string
	title    string   // product and version, for people
	inputs   []string // files below this package's folder that decide what comes out
	settings []string // flags that do too
	// check, unless nil, says what a complete folder lacks of what lies
	// outside it.
	check func(dir string) error
	// build fills the empty folder dir.
	build func(ctx context.Context, p *progress, dir string) error
}

// find returns the artifact's folder, or an error that says how to make it.
func (a *artifact) find() (string, error) {
	dir, err := a.dir()
	if err != nil {
		return "", err
	}
	if !a.isComplete(dir) {
		return "", fmt.Errorf("%s is not prepared; in the root of the repository run\n\tgo run ./test/servers/prepare %s", a.title, a.name)
	}
	return dir, nil
}

// prepare makes the artifact unless the cache has it.
func (a *artifact) prepare(ctx context.Context, p *progress) error {
	dir, err := a.dir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	lock, err := a.lock(p, filepath.Join(filepath.Dir(dir), a.name+".lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	if a.isComplete(dir) {
		p.printf("%s is in the cache: %s", a.title, dir)
		return nil
	}
	begin := time.Now()
	if err := a.make(ctx, p, dir); err != nil {
		return err
	}
	p.printf("%s is ready after %s: %s", a.title, elapsed(begin), dir)
	return nil
}

// make builds in the folder and marks it as complete when it is. It is not
// built elsewhere and moved: a JVM's class archive holds the paths of its jars.
func (a *artifact) make(ctx context.Context, p *progress, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := a.build(ctx, p, dir); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, completeMark), nil, 0o644)
}

// completeMark is the file that says that a folder of the cache is whole.
const completeMark = ".complete"

func (a *artifact) isComplete(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, completeMark)); err != nil {
		return false
	}
	return a.check == nil || a.check(dir) == nil
}

func (a *artifact) lock(p *progress, path string) (*os.File, error) {
	file, err := tryLockFile(path)
	if err != errLocked {
		return file, err
	}
	p.printf("waiting for another process that prepares it too")
	return lockFile(path)
}

// dir is the artifact's folder in the cache, whether it exists or not.
func (a *artifact) dir() (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	key, err := a.key()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, a.name+"-"+key), nil
}

// key is a hash of all that decides what the artifact is.
func (a *artifact) key() (string, error) {
	source, err := sourceDir()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s/%s %s %q\n", runtime.GOOS, runtime.GOARCH, runtime.Version(), a.settings)
	for _, input := range a.inputs {
		if err := hashFile(hash, source, input); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

func hashFile(to io.Writer, dir, name string) error {
	file, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Fprintf(to, "%s\n", name)
	_, err = io.Copy(to, file)
	return err
}

// sourceDir is the folder of this package's sources, beside which the modules
// and poms of the servers lie. They cannot be embedded: go:embed does not
// reach into another module.
var sourceDir = sync.OnceValues(func() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	if filepath.IsAbs(file) {
		return filepath.Dir(file), nil
	}
	// Built with -trimpath: the go command knows.
	const self = "github.com/adsum-go/adsum/test/servers"
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", self).Output()
	if err != nil {
		return "", fmt.Errorf("finding the sources of %s: %w", self, err)
	}
	return strings.TrimSpace(string(out)), nil
})
