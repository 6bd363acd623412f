module github.com/adsum-go/adsum/cmd/adsum

go 1.26

replace github.com/adsum-go/adsum => ../..
