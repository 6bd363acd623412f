package scenarios

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/adsum-go/adsum/bench/machine"
	"github.com/adsum-go/adsum/bench/markdown"
)

// Processes are the results of the scenarios that ran with processes.
type Processes struct {
	Machine string    `json:"machine"`
	Load    string    `json:"load"` // at the end
	Results []Process `json:"results"`
}

// Process is how one client fared in one of them. Times are in milliseconds.
type Process struct {
	Scenario string  `json:"scenario"`
	Who      string  `json:"who"`
	Calls    int     `json:"calls"`
	Failed   int     `json:"failed"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	P999     float64 `json:"p99_9"`
	// FailedLate is the share, in per cent, of the calls from From on, in
	// seconds, that failed.
	From       float64 `json:"from"`
	FailedLate float64 `json:"failed_late"`
}

// Describe notes what they were measured on.
func (p *Processes) Describe() { p.Machine, p.Load = machine.Describe(), machine.Load() }

// Table shows them.
func (p Processes) Table() markdown.Table {
	rows := markdown.Table{{"scenario", "who", "calls", "failed", "errors", "from a second after it on", "p50", "p99", "p99.9"}}
	for _, r := range p.Results {
		late := ""
		if r.From > 0 {
			late = share(r.FailedLate)
		}
		rows = append(rows, []string{
			r.Scenario, r.Who, fmt.Sprint(r.Calls), fmt.Sprint(r.Failed), share(100 * float64(r.Failed) / float64(max(r.Calls, 1))), late,
			fmt.Sprintf("%.1f ms", r.P50), fmt.Sprintf("%.1f ms", r.P99), fmt.Sprintf("%.1f ms", r.P999),
		})
	}
	return rows
}

// Write commits them.
func (p Processes) Write(name string) error {
	data, err := json.MarshalIndent(p, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(data, '\n'), 0o644)
}

func readProcesses(name string) (p Processes, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(data, &p)
}
