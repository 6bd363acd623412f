package load_test

import (
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/adsum-go/adsum/lb"
	"github.com/adsum-go/adsum/load"
)

func whole() load.Report {
	return load.Report{
		Load: lb.Load{Known: true, InFlight: 12, Queue: 3, Service: 20 * time.Millisecond, Utilization: 0.75},
		CPU:  0.5, Application: 0.75, Rate: 120.5, Failures: 0.25,
	}
}

func TestAReportSurvivesEveryForm(t *testing.T) {
	for _, want := range []load.Report{whole(), {Load: lb.Load{Known: true}}, {Load: lb.Load{Known: true, Utilization: 0.25}, CPU: 0.25}} {
		binary := want.AppendBinary(nil)
		if got, err := load.ParseBinary(string(binary)); err != nil || got != want {
			t.Errorf("binary: %+v, %v, want %+v", got, err, want)
		}
		for _, text := range []string{string(want.AppendText(nil)), "BIN " + base64.StdEncoding.EncodeToString(binary)} {
			if got, err := load.ParseText(text); err != nil || got != want {
				t.Errorf("%s: %+v, %v, want %+v", text, got, err, want)
			}
		}
	}
}

func TestWhatEnvoysBackendsSendIsRead(t *testing.T) {
	want := whole()
	want.Queue, want.Service, want.Failures = 0, 0, 0
	for _, text := range []string{
		"TEXT cpu_utilization=0.5, application_utilization=0.75, rps_fractional=120.5, named_metrics.in_flight=12, named_metrics.other=7",
		"cpu_utilization:0.5,application_utilization:0.75,rps_fractional:120.5,named_metrics.in_flight:12",
		`JSON {"cpu_utilization":0.5,"application_utilization":0.75,"rps_fractional":120.5,"named_metrics":{"in_flight":12}}`,
		`JSON {"cpuUtilization":0.5,"applicationUtilization":0.75,"rpsFractional":120.5,"namedMetrics":{"in_flight":12},"utilization":{"x":1}}`,
	} {
		if got, err := load.ParseText(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func TestOneReportIsTheLoadOfAnAnswerAndAnyOtherNumberIsNone(t *testing.T) {
	r := whole()
	text, binary := string(r.AppendText(nil)), string(r.AppendBinary(nil))
	for _, c := range []struct {
		of   string
		got  lb.Load
		want lb.Load
	}{
		{"a header", load.OfHeader([]string{text}), r.Load},
		{"no header", load.OfHeader(nil), lb.Load{}},
		{"two headers", load.OfHeader([]string{text, text}), lb.Load{}},
		{"a broken header", load.OfHeader([]string{"JSON ["}), lb.Load{}},
		{"a trailer", load.OfTrailer([]string{binary}), r.Load},
		{"no trailer", load.OfTrailer(nil), lb.Load{}},
		{"two trailers", load.OfTrailer([]string{binary, binary}), lb.Load{}},
		{"a broken trailer", load.OfTrailer([]string{"\xff"}), lb.Load{}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %+v, want %+v", c.of, c.got, c.want)
		}
	}
}

func TestWhatIsNoReportIsRefused(t *testing.T) {
	for _, text := range []string{"TEXT cpu_utilization", "cpu_utilization=a lot", "JSON [", `JSON {"named_metrics":3}`, "BIN ***", "BIN CA==", strings.Repeat("a=1,", 2000)} {
		if r, err := load.ParseText(text); !errors.Is(err, load.ErrMalformed) {
			t.Errorf("%.20s: %+v, %v", text, r, err)
		}
	}
	for _, text := range []string{"", "TEXT cpu_utilization=NaN,named_metrics.in_flight=-4", "TEXT rps_fractional=1e300"} {
		if r, err := load.ParseText(text); err != nil || r != (load.Report{}) {
			t.Errorf("%s: %+v, %v, want nothing said", text, r, err)
		}
	}
}

func TestReportsAreReadAndWrittenWithoutAllocating(t *testing.T) {
	report, buffer := whole(), make([]byte, 0, 512)
	binary, text := string(report.AppendBinary(nil)), string(report.AppendText(nil))
	if n := testing.AllocsPerRun(100, func() {
		buffer = report.AppendText(report.AppendBinary(buffer[:0]))
		if _, err := load.ParseBinary(binary); err != nil {
			t.Fatal(err)
		}
		if _, err := load.ParseText(text); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseBinary(f *testing.F) {
	report := whole()
	f.Add(report.AppendBinary(nil))
	f.Add([]byte{0x42, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := load.ParseBinary(string(b))
		if err == nil {
			sane(t, r)
		}
	})
}

func FuzzParseText(f *testing.F) {
	report := whole()
	f.Add(string(report.AppendText(nil)))
	f.Add(`JSON {"namedMetrics":{"in_flight":1e400}}`)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := load.ParseText(s)
		if err == nil {
			sane(t, r)
		}
	})
}

func sane(t *testing.T, r load.Report) {
	for _, v := range []float64{r.CPU, r.Application, r.Rate, r.Failures, r.Utilization, float64(r.InFlight), float64(r.Queue), float64(r.Service)} {
		if !(v >= 0) || math.IsInf(v, 0) {
			t.Fatalf("%+v", r)
		}
	}
}
