module github.com/adsum-go/adsum/test

go 1.26

replace github.com/adsum-go/adsum => ..
