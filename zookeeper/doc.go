// Package zookeeper publishes and finds instances in ZooKeeper.
package zookeeper
