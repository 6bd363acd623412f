//go:build unix

package servers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// launchAttempts is how often an ensemble is set up anew because a stranger
// took one of its ports between our choice and its start.
const launchAttempts = 3

// portTaken recognises that complaint of Go's net package and of the JVM's.
var portTaken = regexp.MustCompile(`(?i)address already in use`)

// layout is what a product's set-up function gets to work with.
type layout struct {
	dir   string // a new folder for everything on disk
	ports []int  // as many as asked for, reserved until the ensemble is closed
}

func (l layout) addr(i int) string { return fmt.Sprintf("127.0.0.1:%d", l.ports[i]) }

// newNode makes a node with its own folder inside the layout's. The caller
// sets command and probe.
func (l layout) newNode(name, addr string) (*Node, error) {
	node := &Node{
		name: name,
		addr: addr,
		dir:  filepath.Join(l.dir, name),
		report: func(operation string, err error) error {
			if err != nil {
				return fmt.Errorf("%s %w", operation, err)
			}
			return nil
		},
	}
	return node, os.MkdirAll(node.dir, 0o700)
}

// launch reserves ports, has setUp describe the nodes, and starts them.
func launch(product string, ports int, setUp func(layout) ([]*Node, error)) (*Ensemble, error) {
	for attempt := 1; ; attempt++ {
		ensemble, err := launchOnce(product, ports, setUp)
		if err == nil {
			return ensemble, nil
		}
		if attempt == launchAttempts || !portTaken.MatchString(err.Error()) {
			return nil, err
		}
	}
}

func launchOnce(product string, ports int, setUp func(layout) ([]*Node, error)) (_ *Ensemble, err error) {
	ensemble := &Ensemble{}
	if ensemble.ports, err = reservePorts(ports); err != nil {
		return nil, err
	}
	if ensemble.dir, err = os.MkdirTemp("", "adsum-"+product+"-"); err != nil {
		ensemble.ports.release()
		return nil, err
	}
	ensemble.nodes, err = setUp(layout{dir: ensemble.dir, ports: ensemble.ports.numbers()})
	if err == nil {
		err = ensemble.Start()
	}
	if err != nil {
		return nil, errors.Join(err, ensemble.Close())
	}
	return ensemble, nil
}
