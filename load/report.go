package load

import "github.com/adsum-go/adsum/lb"

// Report is what a server tells of its load: an OrcaLoadReport ("Open Request
// Cost Aggregation", xds.data.orca.v3) as far as it is of use here. How many
// calls there are, and how long one takes, are named metrics of it: in_flight,
// queue and service_seconds.
type Report struct {
	// Load is known only if the report names in_flight. Its Utilization is
	// the application's, else that of the processor.
	lb.Load
	CPU         float64 // cpu_utilization: of the processors that the process may use, 1 is all
	Application float64 // application_utilization; 0 if the server has no idea of its own
	Rate        float64 // rps_fractional: calls a second
	Failures    float64 // eps: calls a second that failed
}

// What the named metrics are called.
const (
	metricInFlight = "in_flight"
	metricQueue    = "queue"
	metricService  = "service_seconds"
)

// metric is a number of the report under the name that it has in text.
type metric struct {
	field int // of the message; 8 for a named metric
	name  string
	value float64
}

const fieldNamed = 8

// metrics lists what the report says, in a fixed order.
func (r *Report) metrics() [7]metric {
	return [...]metric{
		{1, "cpu_utilization", r.CPU},
		{6, "rps_fractional", r.Rate},
		{7, "eps", r.Failures},
		{9, "application_utilization", r.Application},
		{fieldNamed, metricInFlight, float64(r.InFlight)},
		{fieldNamed, metricQueue, float64(r.Queue)},
		{fieldNamed, metricService, r.Service.Seconds()},
	}
}

// said reports whether a number is to be told: 0 is what is not said, but for
// the calls under way.
func (m metric) said() bool {
	return m.value > 0 || m.name == metricInFlight
}

// set takes in a number that was told; what is no load is passed over.
func (r *Report) set(field int, name string, value float64) {
	if !(value >= 0 && value <= most) { // also what is no number
		return
	}
	switch {
	case field == 1:
		r.CPU = value
	case field == 6:
		r.Rate = value
	case field == 7:
		r.Failures = value
	case field == 9:
		r.Application = value
	case field != fieldNamed:
	case name == metricInFlight:
		r.Known, r.InFlight = true, int(min(value, mostCalls))
	case name == metricQueue:
		r.Queue = int(min(value, mostCalls))
	case name == metricService:
		r.Service = seconds(value)
	}
	r.Utilization = r.Application
	if r.Utilization == 0 {
		r.Utilization = r.CPU
	}
}
