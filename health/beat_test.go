package health_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adsum-go/adsum"
	"github.com/adsum-go/adsum/health"
)

func TestABeatLastsForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beat := health.NewBeat(3 * time.Second)
		c := start(t, health.Check{Probe: beat, Interval: time.Hour})
		wait(time.Minute)
		expectStatus(t, c, adsum.Starting, "beat: no beat yet")
		for range 10 {
			beat.OK()
			wait(2 * time.Second)
			expectStatus(t, c, adsum.Passing, "")
		}
		wait(999 * time.Millisecond)
		expectStatus(t, c, adsum.Passing, "")
		wait(time.Millisecond)
		expectStatus(t, c, adsum.Critical, "beat: no beat for 3s")
		beat.OK()
		wait(0)
		expectStatus(t, c, adsum.Passing, "")
	})
}

func TestTheApplicationMayReportAFailureAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beat := health.NewBeat(time.Minute)
		c := start(t, health.Check{Name: "worker", Probe: beat})
		beat.OK()
		wait(0)
		beat.Fail(errors.New("queue full"))
		wait(0)
		expectStatus(t, c, adsum.Critical, "worker: queue full")
		beat.OK()
		wait(0)
		expectStatus(t, c, adsum.Passing, "")
		beat.Fail(nil)
		wait(0)
		expectStatus(t, c, adsum.Critical, "worker: the application reports a failure")
	})
}
