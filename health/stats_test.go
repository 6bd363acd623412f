package health_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
)

func TestACheckerCountsAnswersForLongerThanItsHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &switchable{}
		check := steady(probe)
		check.InitialDelay = time.Second
		c := start(t, check)
		if got := c.Stats()[0]; got.Name != "app" || got.Status != adsum.Starting || got.Runs != 0 {
			t.Errorf("at first: %+v", got)
		}
		wait(1000*time.Second + time.Millisecond)
		probe.set(errDown)
		wait(10 * time.Second)
		got := c.Stats()[0]
		if got.Runs != 1010 || got.Failures != 10 || got.Status != adsum.Critical || time.Since(got.At) > time.Second {
			t.Errorf("after 1000 passes and 10 failures: %+v", got)
		}
	})
}
