module github.com/adsum-go/adsum/zookeeper

go 1.26

replace github.com/adsum-go/adsum => ..
