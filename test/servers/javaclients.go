//go:build unix

package servers

import (
	"context"
	"testing"
)

// curatorArtifact is no server but Curator's service discovery, a client of
// ZooKeeper's.
var curatorArtifact = &artifact{
	name:   "curator",
	title:  "Curator 5.9.0",
	inputs: []string{"javaservers/pom.xml", "javaclients/curator/pom.xml"},
	check:  javaGone,
	build: func(ctx context.Context, p *progress, dir string) error {
		return mavenJars(ctx, p, "javaclients/curator", dir)
	},
}

// eurekaClientArtifact is Netflix' client of Eureka, which Spring Cloud wraps.
var eurekaClientArtifact = &artifact{
	name:   "eurekaclient",
	title:  "Netflix' eureka-client 1.10.18",
	inputs: []string{"javaservers/pom.xml", "javaclients/eureka/pom.xml"},
	check:  javaGone,
	build: func(ctx context.Context, p *progress, dir string) error {
		return mavenJars(ctx, p, "javaclients/eureka", dir)
	},
}

// CuratorJava is the command line that runs a Java program, named by the
// argument to be added, with Curator's service discovery. The program may be a
// source file.
func CuratorJava(t testing.TB) []string { return javaWith(t, curatorArtifact) }

// EurekaJava is the same with Netflix' client of Eureka.
func EurekaJava(t testing.TB) []string { return javaWith(t, eurekaClientArtifact) }

func javaWith(t testing.TB, jars *artifact) []string {
	t.Helper()
	dir, err := jars.find()
	if err != nil {
		t.Fatal(err)
	}
	java, err := newJVM(dir)
	if err != nil {
		t.Fatal(err)
	}
	return []string{java.java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xmx128m",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", java.classpath()}
}
