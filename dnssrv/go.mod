module github.com/adsum-go/adsum/dnssrv

go 1.26

replace github.com/adsum-go/adsum => ..
