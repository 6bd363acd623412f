package cli

import "github.com/adsum-go/adsum"

// openers lists the registries that --registry can name, by URL scheme.
func openers() adsum.Openers {
	return adsum.Openers{}
}
