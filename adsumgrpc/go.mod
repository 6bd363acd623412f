module github.com/adsum-go/adsum/adsumgrpc

go 1.26

replace github.com/adsum-go/adsum => ..
