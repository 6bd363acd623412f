package eureka

import (
	"encoding/json"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/codec"
)

// Metadata keys with a meaning. The first four are those of Spring Cloud and
// of package codec, the next two those of Spring's actuator and of the gRPC
// starters for Spring.
const (
	metaZone       = "zone"
	metaWeight     = "weight"
	metaVersion    = "version"
	metaTags       = "tags"
	metaManagement = "management.port"
	metaGRPC       = "gRPC_port"
	// metaOurs holds what Eureka and Spring have no place for.
	metaOurs = "adsum"
	// metaWord holds an operator's word: an override as JSON, or nothing for
	// one that was undone, as no key can be removed. It is the only key that
	// others than the owner write.
	metaWord = "adsum.override"
)

// taken tells which metadata keys of an instance cannot lie in Eureka as they
// are: those that mean something there.
func taken(key string) bool {
	switch key {
	case metaZone, metaWeight, metaVersion, metaTags, metaManagement, metaGRPC, metaOurs, metaWord:
		return true
	}
	return false
}

// plainKey is what every reader takes for a metadata key: keys are element
// names for those that ask for XML.
var plainKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)

// posted is an instance as it is sent to Eureka.
type posted struct {
	InstanceID       string            `json:"instanceId"`
	HostName         string            `json:"hostName"`
	App              string            `json:"app"`
	IPAddr           string            `json:"ipAddr"`
	VIPAddress       string            `json:"vipAddress"`
	SecureVIPAddress string            `json:"secureVipAddress"`
	Status           status            `json:"status"`
	OverriddenStatus status            `json:"overriddenStatus"`
	Port             port              `json:"port"`
	SecurePort       port              `json:"securePort"`
	CountryID        int               `json:"countryId"`
	DataCenter       dataCenter        `json:"dataCenterInfo"`
	Lease            leaseInfo         `json:"leaseInfo"`
	Metadata         map[string]string `json:"metadata"`
	LastUpdated      int64             `json:"lastUpdatedTimestamp,string"`
	LastDirty        int64             `json:"lastDirtyTimestamp,string"`
}

type port struct {
	Number  int    `json:"$"`
	Enabled string `json:"@enabled"` // Java's readers want the text
}

type dataCenter struct {
	Class string `json:"@class"`
	Name  string `json:"name"`
}

type leaseInfo struct {
	RenewalInterval int `json:"renewalIntervalInSecs"`
	Duration        int `json:"durationInSecs"`
}

// encode writes an instance as Eureka wants it, with an operator's word that is
// in force. It fails with [adsum.ErrInvalid] on what cannot be held.
func encode(in adsum.Instance, claim adsum.Claim, word adsum.Override, ttl time.Duration, dirty int64) ([]byte, error) {
	metadata, err := metadataOf(in, claim)
	if err == nil {
		err = tell(metadata, word)
	}
	if err != nil {
		return nil, err
	}
	host, text, _ := net.SplitHostPort(in.Addr)
	number, _ := strconv.Atoi(text)
	p := posted{
		InstanceID: instanceID(in.Service, in.ID), App: appOf(in.Service), VIPAddress: in.Service, SecureVIPAddress: in.Service,
		HostName: urlHost(host), IPAddr: host,
		Status: statusOf(in.Status), OverriddenStatus: unknown,
		Port: port{number, "true"}, SecurePort: port{443, "false"}, CountryID: 1,
		DataCenter: dataCenter{"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "MyOwn"},
		Lease:      leaseInfo{seconds(ttl / 3), seconds(ttl)},
		Metadata:   metadata, LastUpdated: dirty, LastDirty: dirty,
	}
	if drains(in, word) {
		// Without it a server keeps the status of the record before. With
		// it, record and override come in one step.
		p.OverriddenStatus = outOfService
	}
	if secure, ok := portAt(in, "https", host); ok {
		number, _ = strconv.Atoi(secure)
		p.SecurePort = port{number, "true"}
	}
	return json.Marshal(map[string]posted{"instance": p})
}

// metadataOf holds what foreign readers know under the keys that they know,
// and everything once more, exactly, under our own: but for metadata that is
// there already.
func metadataOf(in adsum.Instance, claim adsum.Claim) (map[string]string, error) {
	metadata, hidden := map[string]string{}, map[string]string{}
	for k, v := range in.Metadata {
		if k != metaOurs && plainKey.MatchString(k) {
			metadata[k] = v
		}
		if taken(k) || !plainKey.MatchString(k) {
			hidden[k] = v
		}
	}
	maps.Copy(metadata, conventional(in))
	in.Metadata = hidden
	ours, err := codec.Native.Encode(codec.Record{Instance: in, Claim: claim})
	metadata[metaOurs] = string(ours)
	return metadata, err
}

// conventional are the fields that foreign programs look for in metadata.
func conventional(in adsum.Instance) map[string]string {
	m := map[string]string{}
	for key, value := range map[string]string{metaZone: in.Zone, metaVersion: in.Version, metaTags: strings.Join(in.Tags, ",")} {
		if value != "" {
			m[key] = value
		}
	}
	if in.Weight != adsum.DefaultWeight {
		m[metaWeight] = strconv.Itoa(in.Weight)
	}
	host, _, _ := net.SplitHostPort(in.Addr)
	for key, protocol := range map[string]string{metaGRPC: "grpc", metaManagement: "management"} {
		if number, ok := portAt(in, protocol, host); ok {
			m[key] = number
		}
	}
	return m
}

// portAt returns the port of an endpoint that is at the host. Eureka has no
// place for another host.
func portAt(in adsum.Instance, protocol, host string) (string, bool) {
	at, number, err := net.SplitHostPort(in.Endpoints[protocol])
	return number, err == nil && at == host
}

// urlHost puts an IPv6 address into brackets: foreign programs make a URL of
// hostName by putting texts together.
func urlHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		return "[" + host + "]"
	}
	return host
}

// instanceID is what Eureka knows an instance by. It keeps overrides by it
// alone, so that it must tell the instances of all services apart.
func instanceID(service, id string) string { return service + ":" + id }

// appOf is the name that Eureka stores a service under, whatever its case.
// Its own case is kept in vipAddress.
func appOf(service string) string { return strings.ToUpper(service) }

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
