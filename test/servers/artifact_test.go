//go:build unix

package servers

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// prepareArtifact prepares a in the cache of the test and returns what was
// printed.
func prepareArtifact(t *testing.T, a *artifact) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := a.prepare(t.Context(), &progress{product: a.name, mu: new(sync.Mutex), w: &out})
	return out.String(), err
}

func fileArtifact(builds *atomic.Int32) *artifact {
	return &artifact{
		name: "fake", title: "Fake 1.0",
		build: func(_ context.Context, _ *progress, dir string) error {
			builds.Add(1)
			return os.WriteFile(filepath.Join(dir, "program"), nil, 0o600)
		},
	}
}

func TestAnUnpreparedServerNamesTheCommandThatPreparesIt(t *testing.T) {
	t.Setenv(cacheVariable, t.TempDir())
	for _, start := range []func() error{
		func() error { _, err := NewEtcd(EtcdOptions{}); return err },
		func() error { _, err := NewConsul(ConsulOptions{}); return err },
		func() error { _, err := NewZooKeeper(ZooKeeperOptions{}); return err },
		func() error { _, err := NewEureka(EurekaOptions{}); return err },
		func() error { _, err := NewEureka(EurekaOptions{Netflix: true}); return err },
	} {
		err := start()
		if err == nil || !strings.Contains(err.Error(), "go run ./test/servers/prepare ") {
			t.Errorf("error %v names no command", err)
		}
	}
}

func TestWhatIsPreparedOnceIsFoundAgain(t *testing.T) {
	t.Setenv(cacheVariable, t.TempDir())
	var builds atomic.Int32
	a := fileArtifact(&builds)
	if _, err := a.find(); err == nil {
		t.Fatal("found before it was prepared")
	}
	if _, err := prepareArtifact(t, a); err != nil {
		t.Fatal(err)
	}
	dir, err := a.find()
	if err != nil {
		t.Fatal(err)
	}
	out, err := prepareArtifact(t, a)
	if err != nil || builds.Load() != 1 || !strings.Contains(out, "Fake 1.0 is in the cache: "+dir) {
		t.Fatalf("%d builds, output %q, error %v", builds.Load(), out, err)
	}
}

func TestOtherFlagsAreAnotherArtifact(t *testing.T) {
	t.Setenv(cacheVariable, t.TempDir())
	var builds atomic.Int32
	a := fileArtifact(&builds)
	if _, err := prepareArtifact(t, a); err != nil {
		t.Fatal(err)
	}
	a.settings = []string{"-other"}
	if dir, err := a.find(); err == nil {
		t.Fatalf("found %s, which other flags made", dir)
	}
}

func TestAnInterruptedPreparationIsNotTakenForWhole(t *testing.T) {
	t.Setenv(cacheVariable, t.TempDir())
	var builds atomic.Int32
	a := fileArtifact(&builds)
	whole, interrupted := a.build, errors.New("interrupted")
	a.build = func(ctx context.Context, p *progress, dir string) error {
		return errors.Join(whole(ctx, p, dir), interrupted)
	}
	if _, err := prepareArtifact(t, a); !errors.Is(err, interrupted) {
		t.Fatalf("error %v, want %v", err, interrupted)
	}
	if dir, err := a.find(); err == nil {
		t.Fatalf("found the unfinished %s", dir)
	}
	a.build = whole
	if _, err := prepareArtifact(t, a); err != nil {
		t.Fatal(err)
	}
	if _, err := a.find(); err != nil {
		t.Fatal(err)
	}
}

func TestSeveralThatPrepareAtOnceBuildOnce(t *testing.T) {
	t.Setenv(cacheVariable, t.TempDir())
	var builds atomic.Int32
	a := fileArtifact(&builds)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := prepareArtifact(t, a); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if builds.Load() != 1 {
		t.Fatalf("%d builds, want 1", builds.Load())
	}
}

func TestPrepareRefusesWhatItDoesNotKnow(t *testing.T) {
	err := Prepare(t.Context(), &bytes.Buffer{}, "mongodb")
	if err == nil || !strings.Contains(err.Error(), "known are etcd, consul, zookeeper, eureka, netflix") {
		t.Fatalf("error %v", err)
	}
}

func TestMissingJavaToolsAreNamedWithTheCommandThatInstallsThem(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	_, _, err := javaTools(t.Context(), &progress{product: "fake", mu: new(sync.Mutex), w: &bytes.Buffer{}})
	if err == nil {
		t.Fatal("found on an empty PATH")
	}
	for _, part := range []string{"no Maven (mvn)", "apt-get install openjdk-17-jdk-headless maven", "brew install openjdk maven"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestAMissingPythonIsNamedWithTheCommandThatInstallsIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := pythonTools(t.Context(), &progress{product: "fake", mu: new(sync.Mutex), w: &bytes.Buffer{}})
	if err == nil {
		t.Fatal("found on an empty PATH")
	}
	for _, part := range []string{"version " + minPython, "ensurepip", "apt-get install python3-venv", "brew install python"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

// Debian's python3 comes without the package that holds pip for new
// environments.
func TestAPythonThatMakesNoEnvironmentsIsTakenForMissing(t *testing.T) {
	dir := t.TempDir()
	bare := "#!/bin/sh\necho 'ensurepip is not available' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "python3"), []byte(bare), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if python, err := findPython(t.Context()); err == nil {
		t.Fatalf("took %s", python)
	}
}
