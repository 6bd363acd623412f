module github.com/adsum-go/adsum/adsumkit

go 1.26

replace github.com/adsum-go/adsum => ..

require (
	github.com/adsum-go/adsum v0.0.0-00010101000000-000000000000
	github.com/go-kit/kit v0.13.0
	github.com/go-kit/log v0.2.0
	google.golang.org/genproto v0.0.0-20260817212433-ac3dfec99bb1
)

require (
	github.com/go-logfmt/logfmt v0.5.1 // indirect
	google.golang.org/protobuf v1.36.11 // indirect
)
