package eureka_test

import (
	"fmt"

	"github.com/adsum-go/adsum/eureka"
)

// Opening needs no server. What the registry cannot promise is declared by
// how its servers are set.
func ExampleOpen() {
	for _, options := range []string{"", "&self-preservation=false"} {
		registry, err := eureka.Open("eureka+http://me:secret@eureka-1:8761,eureka-2:8761/eureka?zone=eu-1a" + options)
		if err != nil {
			fmt.Println(err)
			return
		}
		caps := registry.Capabilities()
		fmt.Println(caps.Registry)
		if bound, ok := caps.Detection(caps.MinTTL); ok {
			fmt.Println("a crash shows within", bound)
		} else {
			fmt.Println("a crash may never show")
		}
		_ = registry.Close()
	}
	// Output:
	// eureka+http://me:***@eureka-1:8761,eureka-2:8761/eureka?zone=eu-1a
	// a crash may never show
	// eureka+http://me:***@eureka-1:8761,eureka-2:8761/eureka?self-preservation=false&zone=eu-1a
	// a crash shows within 2m9.5s
}
