//go:build unix

package servers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var eurekaArtifact = &artifact{
	name:  "eureka",
	title: "Eureka (Spring Cloud Netflix 4.3.1)",
	inputs: []string{
		"javaservers/pom.xml", "javaservers/eureka/pom.xml",
		"javaservers/eureka/eureka.properties", "javaservers/eureka/auth.xml",
	},
	check: javaGone,
	build: func(ctx context.Context, p *progress, dir string) error {
		if err := mavenJars(ctx, p, "javaservers/eureka", dir); err != nil {
			return err
		}
		if err := copyIn(dir, "javaservers/eureka/eureka.properties", "javaservers/eureka/auth.xml"); err != nil {
			return err
		}
		return p.step("archiving its classes", func() error { return archiveEureka(dir) })
	},
}

// netflixArtifact is Eureka as Netflix shipped it, with the base path
// /eureka/v2.
var netflixArtifact = &artifact{
	name:   "netflix",
	title:  "Eureka (Netflix 1.10.1)",
	inputs: []string{"javaservers/pom.xml", "javaservers/netflix/pom.xml"},
	check:  javaGone,
	build: func(ctx context.Context, p *progress, dir string) error {
		return mavenJars(ctx, p, "javaservers/netflix", dir)
	},
}

// EurekaOptions chooses the Eureka to start. The zero value is one Spring
// Cloud server without credentials and TLS, which shows a registration within
// a second, mostly at once, and drops an expired lease within 200 ms, with no
// self-preservation.
type EurekaOptions struct {
	// Members is the number of servers, each the peer of all others; 0 means 1.
	Members int
	// Netflix starts the server that Netflix shipped, with the base path
	// /eureka/v2, which takes none of the options below but the last two.
	Netflix bool
	// User and Password, when set, are demanded of every client.
	User, Password string
	// TLS, when set, is what Addr speaks. Not with several members.
	TLS *TLS
	// Properties are further settings of the server, by Spring's names
	// (eureka.server.enable-self-preservation) or Netflix' own
	// (eureka.enableSelfPreservation).
	Properties map[string]string
	// JavaArgs are further arguments of the JVM.
	JavaArgs []string
}

// Eureka is one running Eureka server or several peers. It keeps everything
// in memory.
type Eureka struct {
	*Ensemble
	options EurekaOptions
	jvm     jvm
	client  *http.Client // for probes
}

// StartEureka starts Eureka for a test and stops it at its end.
func StartEureka(t testing.TB, options EurekaOptions) *Eureka {
	t.Helper()
	eureka, err := NewEureka(options)
	if err != nil {
		t.Fatal(err)
	}
	eureka.attach(t)
	return eureka
}

// NewEureka starts Eureka and returns when every member serves. The caller
// closes it.
func NewEureka(options EurekaOptions) (*Eureka, error) {
	source := eurekaArtifact
	if options.Netflix {
		source = netflixArtifact
	}
	dir, err := source.find()
	if err != nil {
		return nil, err
	}
	return launchEureka(dir, options)
}

func launchEureka(dir string, options EurekaOptions) (*Eureka, error) {
	options.Members = max(options.Members, 1)
	if err := options.check(); err != nil {
		return nil, err
	}
	java, err := newJVM(dir)
	if err != nil {
		return nil, err
	}
	eureka := &Eureka{options: options, jvm: java}
	if eureka.client, err = options.probeClient(); err != nil {
		return nil, err
	}
	eureka.Ensemble, err = launch("eureka", options.Members, eureka.setUp)
	if err != nil {
		return nil, err
	}
	return eureka, nil
}

func (o EurekaOptions) check() error {
	if o.Members > 1 && o.TLS != nil {
		return errors.New("eureka: peers with TLS are not supported")
	}
	if o.Netflix && (o.Members > 1 || o.TLS != nil || o.User != "") {
		return errors.New("eureka: Netflix' server is started alone and plain only")
	}
	return nil
}

// archiveEureka runs a server once for the archive of its classes, with
// credentials so that those of the security filter are in it.
func archiveEureka(dir string) error {
	java, err := newJVM(dir)
	if err != nil {
		return err
	}
	eureka, err := launchEureka(dir, EurekaOptions{User: "u", Password: "p", JavaArgs: java.archiving()})
	if err != nil {
		return err
	}
	return errors.Join(eureka.Stop(), eureka.Close())
}

// URLs holds the base URL of every member, without credentials.
func (e *Eureka) URLs() []string {
	var urls []string
	for _, addr := range e.Addrs() {
		urls = append(urls, e.baseURL(addr).String())
	}
	return urls
}

func (e *Eureka) baseURL(addr string) *url.URL {
	base := &url.URL{Scheme: "http", Host: addr, Path: "/eureka"}
	if e.options.TLS != nil {
		base.Scheme = "https"
	}
	if e.options.Netflix {
		base.Path = "/eureka/v2"
	}
	return base
}

func (e *Eureka) credentials() *url.Userinfo {
	if e.options.User == "" {
		return nil
	}
	return url.UserPassword(e.options.User, e.options.Password)
}

func (e *Eureka) setUp(l layout) ([]*Node, error) {
	var nodes []*Node
	for i := range e.options.Members {
		args := e.springArgs
		if e.options.Netflix {
			args = e.netflixArgs
		}
		node, err := e.jvm.node(l, fmt.Sprintf("eureka%d", i), l.addr(i), 512, func(node *Node) []string {
			return args(l, i)
		})
		if err != nil {
			return nil, err
		}
		node.probe = func(ctx context.Context) error { return e.probe(ctx, l.addr(i)) }
		nodes = append(nodes, node)
	}
	return nodes, nil
}

// listsExpire is for how many seconds a server keeps a list. Eureka has a race:
// one that is made while an instance registers may be kept without it, for
// three minutes by default. About one registration in 300 is hidden so while
// three clients ask for the list without a pause.
const listsExpire = "1"

func (e *Eureka) springArgs(l layout, i int) []string {
	args := append(slices.Clone(e.options.JavaArgs),
		"-cp", e.jvm.classpath(), "org.springframework.boot.SpringApplication",
		"--spring.config.location=file:"+filepath.Join(e.jvm.jars, "eureka.properties"),
		fmt.Sprintf("--server.port=%d", l.ports[i]),
	)
	args = append(args, e.peerArgs(l, i)...)
	args = append(args, e.securityArgs()...)
	properties := map[string]string{"eureka.server.response-cache-auto-expiration-in-seconds": listsExpire}
	maps.Copy(properties, e.options.Properties)
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		args = append(args, "--"+key+"="+properties[key])
	}
	return args
}

// peerArgs names the other members. A server recognises itself among its
// peers by the host name, and would take them all for itself if its own were
// the loopback address.
func (e *Eureka) peerArgs(l layout, i int) []string {
	var others []string
	for j := range e.options.Members {
		if j != i {
			peer := e.baseURL(l.addr(j)).JoinPath("/")
			peer.User = e.credentials()
			others = append(others, peer.String())
		}
	}
	if len(others) == 0 {
		return nil
	}
	return []string{
		fmt.Sprintf("--eureka.instance.hostname=peer%d", i),
		"--eureka.client.service-url.defaultZone=" + strings.Join(others, ","),
	}
}

func (e *Eureka) securityArgs() []string {
	var args []string
	if e.options.User != "" {
		// Without the second class Eureka's filter comes first and answers
		// everybody.
		args = append(args,
			"--extra.sources=,file:"+filepath.Join(e.jvm.jars, "auth.xml")+
				",org.springframework.boot.autoconfigure.security.servlet.SecurityFilterAutoConfiguration",
			"--eureka.user="+e.options.User, "--eureka.password="+e.options.Password)
	}
	if tls := e.options.TLS; tls != nil {
		args = append(args,
			"--server.ssl.certificate=file:"+tls.CertFile,
			"--server.ssl.certificate-private-key=file:"+tls.KeyFile)
		if tls.ClientCAFile != "" {
			args = append(args,
				"--server.ssl.trust-certificate=file:"+tls.ClientCAFile,
				"--server.ssl.client-auth=need")
		}
	}
	return args
}

func (e *Eureka) netflixArgs(l layout, i int) []string {
	port := fmt.Sprint(l.ports[i])
	self := e.baseURL("localhost:" + port).JoinPath("/").String()
	properties := map[string]string{
		"eureka.port":               port,
		"eureka.hostname":           "localhost",
		"eureka.serviceUrl.default": self,
		// Else it takes itself for a peer, and what was written comes back
		// from there later, and over what was written since.
		"eureka.myUrl":                                self,
		"eureka.registration.enabled":                 "false",
		"eureka.shouldFetchRegistry":                  "false",
		"eureka.waitTimeInMsWhenSyncEmpty":            "0",
		"eureka.numberRegistrySyncRetries":            "0",
		"eureka.shouldUseReadOnlyResponseCache":       "false",
		"eureka.responseCacheAutoExpirationInSeconds": listsExpire,
		"eureka.enableSelfPreservation":               "false",
		"eureka.evictionIntervalTimerInMs":            "200",
		"eureka.renewalPercentThreshold":              "0",
	}
	maps.Copy(properties, e.options.Properties)
	args := slices.Clone(e.options.JavaArgs)
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		args = append(args, "-D"+key+"="+properties[key])
	}
	return append(args,
		"-jar", filepath.Join(e.jvm.jars, "jetty-runner.jar"), "--host", "127.0.0.1", "--port", port,
		"--path", "/eureka", filepath.Join(e.jvm.jars, "eureka-server.war"))
}

// probe is nil once the server answers a request for all applications. The
// answer 403 will do: a server told to wait for its peers takes registrations
// meanwhile.
func (e *Eureka) probe(ctx context.Context, addr string) error {
	apps := e.baseURL(addr).JoinPath("apps")
	apps.User = e.credentials()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, apps.String(), nil)
	if err != nil {
		return err
	}
	_, err = httpDo(e.client, request)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusForbidden {
		return nil
	}
	return err
}

// probeClient reaches the server whatever its certificate says: that may be
// wrong on purpose.
func (o EurekaOptions) probeClient() (*http.Client, error) {
	config := &tls.Config{InsecureSkipVerify: true}
	if o.TLS != nil && o.TLS.ClientCertFile != "" {
		pair, err := tls.LoadX509KeyPair(o.TLS.ClientCertFile, o.TLS.ClientKeyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}, nil
}

// copyIn copies files of this package's folder into dir.
func copyIn(dir string, names ...string) error {
	source, err := sourceDir()
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
