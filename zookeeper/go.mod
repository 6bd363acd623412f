module github.com/adsum-go/adsum/zookeeper

go 1.26

replace github.com/adsum-go/adsum => ..

require (
	github.com/adsum-go/adsum v0.0.0-00010101000000-000000000000
	github.com/go-zookeeper/zk v1.0.4
)
