package adsumgrpc

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
)

func FuzzPushBackIsAWaitOrARefusal(f *testing.F) {
	for _, value := range []string{"", "0", "100", "-1", "soon", "99999999999999999999", "1.5", " 7"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		after, told, refused := pushBack(metadata.MD{"grpc-retry-pushback-ms": {value}})
		if !told {
			t.Errorf("%q: not noticed", value)
		}
		if after < 0 || refused && after != 0 || after > 1<<31*time.Millisecond {
			t.Errorf("%q: wait %v, refused %v", value, after, refused)
		}
	})
}

// BenchmarkInterceptor is what the interceptor adds to a call that succeeds.
func BenchmarkInterceptor(b *testing.B) {
	s, _ := newSettings(nil, nil)
	answer := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	b.ReportAllocs()
	for b.Loop() {
		if err := s.unary(context.Background(), "/echo.Echo/Look", nil, nil, nil, answer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPick is what the picker adds to a call, outcome included.
func BenchmarkPick(b *testing.B) {
	f := newFed(b)
	f.pass(instances(100)...)
	f.conn.all(connectivity.Ready)
	for ready, _, progress := f.connectedNow(); !ready; ready, _, progress = f.connectedNow() {
		<-progress
	}
	picker := f.conn.last.Picker
	ctx := f.resolver.settings.newCall(context.Background(), "/echo.Echo/Look")
	b.ReportAllocs()
	for b.Loop() {
		picked, err := picker.Pick(balancer.PickInfo{FullMethodName: "/echo.Echo/Look", Ctx: ctx})
		if err != nil {
			b.Fatal(err)
		}
		picked.Done(balancer.DoneInfo{BytesReceived: true})
	}
}
