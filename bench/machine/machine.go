// Package machine says what figures were measured on.
package machine

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
)

// Describe says what the figures were measured on.
func Describe() string {
	return fmt.Sprintf("%s, %d cores, %s/%s, %s", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

var modelName = regexp.MustCompile(`(?m)^model name\s*: (.*)$`)

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // elsewhere than on Linux the name is left out
	if m := modelName.FindSubmatch(info); m != nil {
		return string(m[1])
	}
	return "unnamed processor"
}

// Load is the machine's load average, to tell a busy machine from an idle one.
func Load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], ", ")
}

// compared are the modules whose code is measured here.
var compared = []string{
	"github.com/go-kit/kit", "google.golang.org/grpc", "github.com/zeromicro/go-zero",
	"github.com/go-kratos/kratos/v2", "github.com/cloudwego/kitex",
}

// Versions names the modules whose code is compared, as they are linked.
func Versions() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	var list []string
	for _, module := range info.Deps {
		if slices.Contains(compared, module.Path) {
			list = append(list, module.Path+" "+module.Version)
		}
	}
	return strings.Join(list, ", ")
}
