module github.com/adsum-go/adsum/etcd

go 1.26

replace github.com/adsum-go/adsum => ..
