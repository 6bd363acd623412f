package eureka

import (
	"strings"

	"github.com/adsum-go/adsum"
)

// status is Eureka's word for the health of an instance. Only up is routable.
type status string

const (
	up           status = "UP"
	starting     status = "STARTING"
	down         status = "DOWN"
	outOfService status = "OUT_OF_SERVICE"
	unknown      status = "UNKNOWN" // of an override: there is none
)

// statusOf is what foreign programs are told.
func statusOf(s adsum.Status) status {
	switch s {
	case adsum.Starting:
		return starting
	case adsum.Draining:
		return outOfService
	case adsum.Critical:
		return down
	}
	return up
}

// meaning reads a foreign program's word. What is not known is not routable
// to Eureka's own clients, so not to ours.
func (s status) meaning() (adsum.Status, string) {
	switch status(strings.ToUpper(string(s))) {
	case up:
		return adsum.Passing, ""
	case starting:
		return adsum.Starting, ""
	case outOfService:
		return adsum.Draining, ""
	case down:
		return adsum.Critical, ""
	}
	return adsum.Critical, "its status in Eureka is " + quote(string(s))
}

// apply lets the registry's word on an instance win over the instance's own,
// unless that is worse news.
func apply(in adsum.Instance, words ...status) adsum.Instance {
	for _, word := range words {
		if said, reason := word.meaning(); in.Status.Worse(said) != in.Status {
			if in.Reported == "" {
				in.Reported = in.Status
			}
			in.Status, in.Reason = said, reason
		}
	}
	return in
}
