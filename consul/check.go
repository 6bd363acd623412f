package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/adsum-go/adsum"
)

// checkID is the id of a service's main check, the one that Consul itself
// would give it.
func checkID(serviceID string) string { return "service:" + serviceID }

// wordPrefix begins the id of the check that holds the owner's word on the
// instance while it is not passing; the status and the service's id follow.
// The status is part of the id as a check that is registered again keeps its
// status.
const wordPrefix = "adsum:"

func wordID(status, serviceID string) string { return wordPrefix + status + ":" + serviceID }

// forLife is the TTL of a check that is not to run out.
const forLife = "87600h"

// heartbeat is the check by which an owner shows that it lives. It is passing
// whatever the instance's health, so that the agent does not remove a record
// whose owner is there.
func (r *Registry) heartbeat(ttl time.Duration) *api.AgentServiceCheck {
	return &api.AgentServiceCheck{
		Name: "adsum heartbeat", TTL: ttl.String(), Status: api.HealthPassing,
		DeregisterCriticalServiceAfter: r.opts.DeregisterAfter.String(),
	}
}

// word is the check that tells other programs that the instance is not
// passing, nil while it is. The reason for them is its note: of a check's
// output alone, the agent tells the catalog minutes later.
func word(in adsum.Instance, serviceID string) *api.AgentServiceCheck {
	status := api.HealthCritical
	switch in.Status {
	case adsum.Passing:
		return nil
	case adsum.Warning:
		status = api.HealthWarning
	}
	return &api.AgentServiceCheck{
		CheckID: wordID(status, serviceID), Name: "adsum: " + string(in.Status), Notes: in.Reason, TTL: forLife, Status: status,
	}
}

// ownCheck is what the program wants the agent to check.
func (r *Registry) ownCheck(in adsum.Instance) (*api.AgentServiceCheck, error) {
	given, err := r.opts.Check(in.Clone())
	if err != nil {
		return nil, err
	}
	if given == nil {
		return nil, errors.New("Options.Check returned no check")
	}
	check := *given
	if check.DeregisterCriticalServiceAfter == "" {
		check.DeregisterCriticalServiceAfter = r.opts.DeregisterAfter.String()
	}
	return &check, nil
}

const (
	defaultCheckInterval = 10 * time.Second
	defaultCheckTimeout  = 5 * time.Second
)

// CheckURL returns an [Options.Check] that has the agent ask the instance at
// its own address: "http:/healthz" or "https:/healthz" for a page that must
// answer 2xx, "grpc:" or "grpcs:" for gRPC's health service, of the service
// named after the colon if any, "tcp:" for a connection. Each uses the
// instance's endpoint of that name where it has one. With a host and port, as
// in "http://127.0.0.1:8080/healthz", that is asked instead. Interval and
// timeout 0 are 10 s and 5 s.
func CheckURL(rawURL string, interval, timeout time.Duration) (func(adsum.Instance) (*api.AgentServiceCheck, error), error) {
	u, err := url.Parse(rawURL)
	if err != nil || !slices.Contains([]string{"http", "https", "grpc", "grpcs", "tcp"}, u.Scheme) {
		kind, _, _ := strings.Cut(rawURL, ":") // the rest may hold a password
		return nil, invalidURL("check", kind, "it is no check", "use http:/PATH, https:/PATH, grpc:, grpc:SERVICE, grpcs: or tcp:")
	}
	if interval == 0 {
		interval = defaultCheckInterval
	}
	if timeout == 0 {
		timeout = defaultCheckTimeout
	}
	return func(in adsum.Instance) (*api.AgentServiceCheck, error) {
		addr := u.Host
		if addr == "" {
			addr, _ = in.Address(u.Scheme)
		}
		check := &api.AgentServiceCheck{Name: u.Scheme + " check", Interval: interval.String(), Timeout: timeout.String()}
		service := strings.Trim(u.Opaque+u.Path, "/")
		switch u.Scheme {
		case "http", "https":
			page := url.URL{Scheme: u.Scheme, Host: addr, Path: "/" + service, RawQuery: u.RawQuery}
			check.HTTP = page.String()
		case "grpc", "grpcs":
			check.GRPC, check.GRPCUseTLS = strings.TrimSuffix(addr+"/"+service, "/"), u.Scheme == "grpcs"
		case "tcp":
			check.TCP = addr
		}
		return check, nil
	}, nil
}

// passes runs a check from here as far as that goes: of a gRPC service and of
// TLS it looks at the connection alone. The agent, having removed the record
// of an instance that was critical for too long, would remove one that is
// registered while it still is so again and again.
func passes(ctx context.Context, check *api.AgentServiceCheck) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout(check))
	defer cancel()
	switch {
	case strings.HasPrefix(check.HTTP, "http:"):
		return passesHTTP(ctx, check)
	case check.HTTP != "":
		u, err := url.Parse(check.HTTP)
		if err != nil {
			return err
		}
		return reaches(ctx, u.Host)
	case check.GRPC != "":
		addr, _, _ := strings.Cut(check.GRPC, "/")
		return reaches(ctx, addr)
	case check.TCP != "":
		return reaches(ctx, check.TCP)
	}
	return nil
}

func checkTimeout(check *api.AgentServiceCheck) time.Duration {
	if d, err := time.ParseDuration(check.Timeout); err == nil && d > 0 {
		return d
	}
	return defaultCheckTimeout
}

func passesHTTP(ctx context.Context, check *api.AgentServiceCheck) error {
	method := check.Method
	if method == "" {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(ctx, method, check.HTTP, strings.NewReader(check.Body))
	if err != nil {
		return err
	}
	for key, values := range check.Header {
		request.Header[http.CanonicalHeaderKey(key)] = values
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return fmt.Errorf("%s answers %s", check.HTTP, response.Status)
	}
	return nil
}

func reaches(ctx context.Context, addr string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}
