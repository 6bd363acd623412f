package load_test

import (
	"context"
	"fmt"
	"time"

	"github.com/adsum-go/adsum/load"
)

// A server of any kind lets in what it can do and refuses the rest at once.
func ExampleAdmission() {
	admission := load.Admission{Limit: 1, RetryAfter: time.Second} // without a limit it finds one
	ticket, err := admission.Enter(context.Background())
	fmt.Println("the first:", err)
	_, err = admission.Enter(context.Background())
	fmt.Println("the second:", err)
	ticket.Leave(true, false)
	_, err = admission.Enter(context.Background())
	fmt.Println("the third:", err)
	// Output:
	// the first: <nil>
	// the second: overloaded: 1 calls are under way, the limit is 1; come back in 1s or call another copy
	// the third: <nil>
}

func ExampleReport() {
	var meter load.Meter
	meter.Utilization = func() float64 { return 0.5 }
	call := meter.Begin()
	report := meter.Report()
	call.Done(true)
	fmt.Println(string(report.AppendText(nil)))
	// Output:
	// TEXT application_utilization=0.5,named_metrics.in_flight=1
}
