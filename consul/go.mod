module github.com/adsum-go/adsum/consul

go 1.26

replace github.com/adsum-go/adsum => ..
