package cli

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/adsum-go/adsum/adsumgrpc"
	"github.com/adsum-go/adsum/health"
)

// checkFlags describe the health checks of what register and run publish.
type checkFlags struct {
	Checks          []string
	Interval        time.Duration
	Timeout         time.Duration
	Rise, Fall      int
	DeregisterAfter time.Duration
	TTL             time.Duration
}

func (c *checkFlags) add(flags *pflag.FlagSet) {
	flags.StringArrayVar(&c.Checks, "check", nil, "http(s)://…, tcp://HOST:PORT, grpc://HOST:PORT[/SERVICE] or exec:COMMAND; may be repeated")
	flags.DurationVar(&c.Interval, "check-interval", 5*time.Second, "time between two checks")
	flags.DurationVar(&c.Timeout, "check-timeout", 2*time.Second, "how long one check may take")
	flags.IntVar(&c.Rise, "check-rise", health.DefaultRise, "passes in a row that end a failure")
	flags.IntVar(&c.Fall, "check-fall", health.DefaultFall, "failures in a row that make it critical")
	flags.DurationVar(&c.DeregisterAfter, "deregister-critical-after", 0, "withdraw the record when critical for that long; 0 never")
	flags.DurationVar(&c.TTL, "ttl", 15*time.Second, "how long the record outlives this process if it is killed")
}

// parse turns the flags into checks; parsers lists the kinds there are.
func (c *checkFlags) parse(parsers health.Parsers) ([]health.Check, error) {
	if c.DeregisterAfter < 0 {
		return nil, negative("deregister-critical-after", c.DeregisterAfter)
	}
	var checks []health.Check
	for _, text := range c.Checks {
		probe, err := parsers.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("--check: %w", err)
		}
		checks = append(checks, health.Check{
			Probe: probe, Interval: c.Interval, Timeout: min(c.Timeout, c.Interval), Rise: c.Rise, Fall: c.Fall,
		})
	}
	return checks, nil
}

func negative(flag string, d time.Duration) error {
	return usagef("--%s %s is negative; give a time such as 10s, or 0", flag, d)
}

// checkParsers lists the kinds of check that --check can name.
func checkParsers() health.Parsers {
	parsers := health.Standard()
	parsers["grpc"] = adsumgrpc.ParseHealthCheck
	parsers["grpcs"] = adsumgrpc.ParseHealthCheck
	return parsers
}
