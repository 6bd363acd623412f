package main

import (
	"path"

	"github.com/go-kit/kit/sd"
	"github.com/go-kit/kit/sd/zk"
	"github.com/go-kit/log"
)

type zookeeper struct{ client zk.Client }

func newZK(server string) (registry, error) {
	client, err := zk.NewClient([]string{server}, log.NewNopLogger())
	return zookeeper{client}, err
}

func (z zookeeper) instancer(place string) (sd.Instancer, error) {
	return zk.NewInstancer(z.client, place, log.NewNopLogger())
}

func (z zookeeper) registrar(place, addr string) (sd.Registrar, error) {
	return zk.NewRegistrar(z.client, zk.Service{Path: path.Dir(place), Name: path.Base(place), Data: []byte(addr)}, log.NewNopLogger()), nil
}

// close ends the session, and with it what was registered: go-kit's Deregister
// tries to delete the service's directory in place of its own node.
func (z zookeeper) close() { z.client.Stop() }
