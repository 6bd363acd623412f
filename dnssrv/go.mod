module github.com/adsum-go/adsum/dnssrv

go 1.26

replace github.com/adsum-go/adsum => ..

require (
	github.com/adsum-go/adsum v0.0.0-00010101000000-000000000000
	github.com/miekg/dns v1.1.73
)

require (
	golang.org/x/net v0.57.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)
