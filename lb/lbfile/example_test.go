package lbfile_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/adsum-go/adsum/lb/lbfile"
)

func ExampleOpen() {
	folder, err := os.MkdirTemp("", "policy")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "policy.json")
	if err := os.WriteFile(path, []byte(`{"policy": "least_request", "retry": {"max": 2}}`), 0o600); err != nil {
		panic(err)
	}

	config, err := lbfile.Open(path, lbfile.Options{})
	if err != nil {
		panic(err)
	}
	defer config.Close()
	// Give config.Live() to WithConfig of adsumgrpc, adsumhttp or adsumkit.
	fmt.Println(config.Live().Policy().Name(), config.Live().Config().Retry.Max)
	// Output: least_request 2
}
