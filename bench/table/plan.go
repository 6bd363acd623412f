package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A plan is what to run, and how often.
type plan struct {
	command string // how it is started
	steps   []step
}

// A step is one benchmark. Every round is a process of its own, in which the
// contenders take turns: what slows the machine for a while slows all of them,
// and a ratio is taken within a round.
type step struct {
	bench, skip string // regular expressions, as go test takes them
	time        string
	cores       string
	rounds      int
}

var short = plan{"make bench", []step{
	{"Yardstick", "", "10ms", "1", 3},
	{"Pick", slow, "10ms", "1,2", 3},
	{"Replace/.*/n=1000", slow, "10ms", "2", 2},
	{"ColdStart/.*/n=1000", slow + "|" + slowStart, "1x", "2", 2},
	{"Unary", "", "1000x", "2", 20},
	{"HTTP", "", "1000x", "2", 20},
}}

var longer = plan{"make bench-report", []step{
	{"Yardstick", "", "30ms", "1", 7},
	{"Pick", slow, "30ms", "1,2", 7},
	{"Replace", slow, "20ms", "2", 5},
	{"ColdStart", slow + "|" + slowStart, "1x", "2", 5},
	{"Pick/policy=peak_ewma/n=10000", "", "30ms", "1,2", 1},
	{"ColdStart/policy=(peak_ewma|round_robin|weighted)$/n=10000", "", "1x", "2", 1},
	{"Unary", "", "1000x", "2", 60},
	{"HTTP", "", "1000x", "2", 60},
}}

// What takes a minute to start with 10 000 endpoints.
const (
	slow      = ".*/.*/n=10000/lib=go-zero"
	slowStart = ".*/.*/n=10000/lib=grpc-go"
)

// run builds the benchmarks once and runs every round of every step.
func (p plan) run(progress io.Writer) (results, error) {
	dir, err := os.MkdirTemp("", "adsum-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "bench.test")
	if out, err := exec.Command("go", "test", "-c", "-o", binary, ".").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the benchmarks: %w\n%s", err, out)
	}
	measured := results{}
	for _, s := range p.steps {
		for round := range s.rounds {
			fmt.Fprintf(progress, "%s, round %d of %d\n", s.bench, round+1, s.rounds)
			out, err := s.run(binary)
			if err != nil {
				return nil, err
			}
			measured.add(out)
		}
	}
	return measured, nil
}

func (s step) run(binary string) (string, error) {
	var out, complaints strings.Builder
	cmd := exec.Command(binary, "-test.run=^$", "-test.bench="+s.bench, "-test.skip="+s.skip,
		"-test.benchtime="+s.time, "-test.cpu="+s.cores, "-test.timeout=30m")
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("benchmark %s: %w\n%s%s", s.bench, err, out.String(), complaints.String())
	}
	return out.String(), nil
}
