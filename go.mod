module github.com/adsum-go/adsum

go 1.26
