package adsumtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adsum-go/adsum"
)

// publisherVariable carries the order to a child process.
const publisherVariable = "ADSUMTEST_PUBLISH"

const publisherReady = "registered"

// publisherOrder is what a child process is to publish.
type publisherOrder struct {
	URL      string
	Instance adsum.Instance
	TTL      time.Duration
}

// Publisher turns this process into one that registers an instance and lives
// until it is killed, if [StartPublisher] started it. Otherwise it returns at
// once. It comes first in TestMain:
//
//	func TestMain(m *testing.M) {
//		adsumtest.Publisher(etcd.Open)
//		adsumtest.VerifyNoLeaks(m)
//	}
func Publisher(open func(rawURL string) (adsum.Registry, error)) {
	order := os.Getenv(publisherVariable)
	if order == "" {
		return
	}
	if err := publishUntilTheEnd(open, order); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func publishUntilTheEnd(open func(string) (adsum.Registry, error), text string) error {
	var order publisherOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		return err
	}
	registry, err := open(order.URL)
	if err != nil {
		return err
	}
	reg, err := adsum.Register(registry, order.Instance, adsum.WithTTL(order.TTL))
	if err != nil {
		return err
	}
	if _, err := reg.Wait(context.Background(), isRegistered); err != nil {
		return err
	}
	fmt.Println(publisherReady)
	_, _ = io.Copy(io.Discard, os.Stdin) // ends when the parent does
	return nil
}

// PublisherProcess is a process that keeps an instance registered.
type PublisherProcess struct {
	command *exec.Cmd
	stdin   io.Closer
	once    sync.Once
}

// StartPublisher runs this test binary once more, as a process that registers
// in with the registry at rawURL, and returns when it is registered. The
// process is killed when the test ends, and ends when this process does. The
// test binary's TestMain must call [Publisher].
func StartPublisher(t testing.TB, rawURL string, in adsum.Instance, ttl time.Duration) *PublisherProcess {
	t.Helper()
	p, err := startPublisher(publisherOrder{rawURL, in, ttl})
	if err != nil {
		t.Fatalf("start a process that publishes %s: %v", &in, err)
	}
	t.Cleanup(p.Kill)
	return p
}

func startPublisher(order publisherOrder) (*PublisherProcess, error) {
	text, err := json.Marshal(order)
	if err != nil {
		return nil, err
	}
	// No test matches: a binary whose TestMain does not know Publisher ends
	// at once, and does not run its tests again.
	command := exec.Command(os.Args[0], "-test.run=^$")
	command.Env = append(os.Environ(), publisherVariable+"="+string(text))
	var complaint strings.Builder
	command.Stderr = &complaint
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &PublisherProcess{command: command, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != publisherReady {
		p.Kill()
		return nil, fmt.Errorf("it printed %q and %q; does TestMain call adsumtest.Publisher?", line, complaint.String())
	}
	return p, nil
}

// Kill ends the process with no chance to say goodbye, and waits for that. A
// second call does nothing.
func (p *PublisherProcess) Kill() {
	p.once.Do(func() {
		_ = p.command.Process.Kill()
		_ = p.command.Wait()
		_ = p.stdin.Close()
	})
}

func isRegistered(s adsum.RegistrationState) bool { return s.Registered }
