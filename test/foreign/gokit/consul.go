package main

import (
	"net"
	"strconv"

	"github.com/go-kit/kit/sd"
	"github.com/go-kit/kit/sd/consul"
	"github.com/go-kit/log"
	"github.com/hashicorp/consul/api"
)

type consulAgent struct{ client consul.Client }

func newConsul(agent string) (registry, error) {
	client, err := api.NewClient(&api.Config{Address: agent})
	if err != nil {
		return nil, err
	}
	return consulAgent{consul.NewClient(client)}, nil
}

// instancer sees passing instances only, as services call no others.
func (c consulAgent) instancer(service string) (sd.Instancer, error) {
	return consul.NewInstancer(c.client, log.NewNopLogger(), service, nil, true), nil
}

func (c consulAgent) registrar(service, addr string) (sd.Registrar, error) {
	host, number, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	return consul.NewRegistrar(c.client, &api.AgentServiceRegistration{
		ID: service + "-" + number, Name: service, Address: host, Port: port,
		Tags: []string{"v1"}, Meta: map[string]string{"zone": "eu-1", "weight": "10"},
		Check: &api.AgentServiceCheck{TTL: "60s", Status: api.HealthPassing},
	}, log.NewNopLogger()), nil
}

func (consulAgent) close() {}
