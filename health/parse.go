package health

import (
	"maps"
	"slices"
	"strings"

	"github.com/adsum-go/adsum"
)

// Parsers is a program's table of the checks it can be given as text, by what
// comes before the colon. There is no global registration: start from
// [Standard] and add, for example, gRPC's:
//
//	parsers := health.Standard()
//	parsers["grpc"] = adsumgrpc.ParseHealthCheck
type Parsers map[string]func(text string) (Prober, error)

// Standard returns a table of what needs only the standard library:
// http://HOST:PORT/PATH, https://…, tcp://HOST:PORT and exec:COMMAND, which
// a shell runs.
func Standard() Parsers {
	return Parsers{
		"http":  func(text string) (Prober, error) { return HTTP{URL: text}, nil },
		"https": func(text string) (Prober, error) { return HTTP{URL: text}, nil },
		"tcp":   parseTCP,
		"exec":  parseExec,
	}
}

// Parse reads a check. Errors are [adsum.ErrInvalid]; they never repeat a
// password. Whatever it returns has passed its own [Validator].
func (p Parsers) Parse(text string) (Prober, error) {
	scheme, _, ok := strings.Cut(text, ":")
	parse := p[scheme]
	if !ok || parse == nil {
		return nil, invalid("check", "", "it does not begin with a kind of check that this program knows",
			"begin with one of: "+strings.Join(slices.Sorted(maps.Keys(p)), ", ")+"; for example http://127.0.0.1:8080/healthz")
	}
	prober, err := parse(text)
	if err != nil {
		return nil, err
	}
	if v, ok := prober.(Validator); ok {
		if err := v.Validate(); err != nil {
			return nil, err
		}
	}
	return prober, nil
}

func parseTCP(text string) (Prober, error) {
	u, err := adsum.ParseURL(text)
	if err != nil {
		return nil, err
	}
	if len(u.Hosts) != 1 || u.Path != "" || u.User != nil || len(u.Query) > 0 {
		return nil, invalid("check", u.String(), "it is not one host and port", "write it like tcp://127.0.0.1:8080")
	}
	return TCP{Addr: u.Hosts[0]}, nil
}

func parseExec(text string) (Prober, error) {
	line := strings.TrimSpace(strings.TrimPrefix(text, "exec:"))
	if line == "" {
		return nil, invalid("check", "", "the command is empty", "write it like exec:pg_isready -q")
	}
	return Exec{Command: shell(line), Name: strings.Fields(line)[0]}, nil
}
