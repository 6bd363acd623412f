package load_test

import (
	"testing"

	"github.com/adsum-go/adsum/adsumtest"
)

func TestMain(m *testing.M) { adsumtest.VerifyNoLeaks(m) }
