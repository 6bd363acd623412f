module github.com/adsum-go/adsum/adsumkit

go 1.26

replace github.com/adsum-go/adsum => ..
