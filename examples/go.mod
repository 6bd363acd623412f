module github.com/adsum-go/adsum/examples

go 1.26

replace github.com/adsum-go/adsum => ..
