package adsumotel_test

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/adsumhttp"
	"github.com/adsum-go/adsum/adsumotel"
	"github.com/adsum-go/adsum/memory"
)

// A program reports what its directory knows and how its calls end. The reader
// stands for an exporter.
func Example() {
	reader := metric.NewManualReader()
	telemetry, err := adsumotel.New(adsumotel.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer telemetry.Close()

	dir := adsum.NewDirectory(memory.New(), quiet)
	defer dir.Close()
	telemetry.Directory(dir)
	transport := adsumhttp.NewTransport(dir, adsumhttp.WithObserver(telemetry))
	defer transport.Close()

	_, err = (&http.Client{Transport: transport}).Get("http://book/list")
	fmt.Println(err)

	var report metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &report); err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range report.ScopeMetrics[0].Metrics {
		switch m.Name {
		case "adsum.registry.up":
			fmt.Println(m.Name, m.Data.(metricdata.Gauge[float64]).DataPoints[0].Value)
		case "adsum.client.no_endpoint":
			fmt.Println(m.Name, m.Data.(metricdata.Sum[float64]).DataPoints[0].Value)
		}
	}
	// Output:
	// Get "http://book/list": no endpoint to call: no instance of book is registered
	// adsum.registry.up 1
	// adsum.client.no_endpoint 1
}
