//go:build unix

package servers_test

import (
	"os"
	"testing"

	"github.com/adsum-go/adsum/adsumtest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		play(role)
	}
	adsumtest.VerifyNoLeaks(m)
}
