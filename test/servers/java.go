//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// minJava is the oldest Java that Spring Boot 3 runs on.
const minJava = 17

// homebrewJava are the places of Homebrew's JDK, which it keeps off the PATH.
var homebrewJava = []string{"/opt/homebrew/opt/openjdk/bin/java", "/usr/local/opt/openjdk/bin/java"}

var specificationVersion = regexp.MustCompile(`java\.specification\.version = (?:1\.)?(\d+)`)

// findJava is the path of a java of at least minJava.
func findJava(ctx context.Context) (string, error) {
	candidates := homebrewJava
	if path, err := exec.LookPath("java"); err == nil {
		candidates = append([]string{path}, candidates...)
	}
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append([]string{filepath.Join(home, "bin", "java")}, candidates...)
	}
	for _, path := range candidates {
		// On macOS /usr/bin/java exists without any Java: only a run tells.
		out, err := exec.CommandContext(ctx, path, "-XshowSettings:properties", "-version").CombinedOutput()
		if err != nil {
			continue
		}
		match := specificationVersion.FindSubmatch(out)
		if match == nil {
			continue
		}
		if version, err := strconv.Atoi(string(match[1])); err == nil && version >= minJava {
			return path, nil
		}
	}
	return "", fmt.Errorf("no Java of version %d or newer", minJava)
}

// javaTools finds Java and Maven and has the system's package manager install
// what is missing.
func javaTools(ctx context.Context, p *progress) (java, maven string, err error) {
	if java, maven, err = lookForJavaTools(ctx); err == nil {
		return java, maven, nil
	}
	p.printf("%v", err)
	if installErr := installJavaTools(ctx, p); installErr != nil {
		return "", "", fmt.Errorf("%w; %w", err, installErr)
	}
	return lookForJavaTools(ctx)
}

func lookForJavaTools(ctx context.Context) (java, maven string, err error) {
	java, javaErr := findJava(ctx)
	maven, mavenErr := exec.LookPath("mvn")
	if mavenErr != nil {
		mavenErr = errors.New("no Maven (mvn) on the PATH")
	}
	return java, maven, errors.Join(javaErr, mavenErr)
}

func installJavaTools(ctx context.Context, p *progress) error {
	if apt, err := exec.LookPath("apt-get"); err == nil && os.Geteuid() == 0 {
		return aptInstall(ctx, p, apt, func() []string { return debianJavaTools(ctx) })
	}
	if brew, err := exec.LookPath("brew"); err == nil && os.Geteuid() != 0 {
		return p.run(ctx, "brew install openjdk maven", exec.CommandContext(ctx, brew, "install", "openjdk", "maven"))
	}
	return errors.New("install them and run this again: on Debian and Ubuntu as root " +
		"`apt-get update && apt-get install openjdk-17-jdk-headless maven`, on macOS `brew install openjdk maven`")
}

func debianJavaTools(ctx context.Context) []string {
	jdk := "default-jdk-headless"
	for _, version := range []string{"openjdk-17-jdk-headless", "openjdk-21-jdk-headless"} {
		if exec.CommandContext(ctx, "apt-cache", "show", version).Run() == nil {
			jdk = version
			break
		}
	}
	return []string{jdk, "maven"}
}

// A prepared Java server's folder holds its jars and two files beside them:
// the path of the java that runs them, and the archive of loaded classes that
// halves the time to start.
const (
	javaPathFile = "java-path"
	archiveFile  = "classes.jsa"
)

// mavenJars copies the jars that the pom in a folder names into dir and notes
// which java runs them. Two Mavens must not write one local repository at the
// same time, so they queue.
func mavenJars(ctx context.Context, p *progress, project, dir string) error {
	source, err := sourceDir()
	if err != nil {
		return err
	}
	lock, err := lockFile(filepath.Join(filepath.Dir(dir), "java.lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	java, maven, err := javaTools(ctx, p)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, javaPathFile), []byte(java), 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, maven, "-q", "-B", "-ntp", "-Dlibs="+dir, "dependency:copy-dependencies")
	cmd.Dir = filepath.Join(source, project)
	return p.run(ctx, "fetching jars from Maven Central", cmd)
}

// javaGone says that the java which a prepared folder notes is not there any
// more.
func javaGone(dir string) error {
	_, err := newJVM(dir)
	return err
}

// jvm runs programs from the jars in a prepared folder.
type jvm struct {
	java string
	jars string
}

func newJVM(dir string) (jvm, error) {
	path, err := os.ReadFile(filepath.Join(dir, javaPathFile))
	if err != nil {
		return jvm{}, err
	}
	java := strings.TrimSpace(string(path))
	if _, err := os.Stat(java); err != nil {
		return jvm{}, err
	}
	return jvm{java: java, jars: dir}, nil
}

func (j jvm) archive() string   { return filepath.Join(j.jars, archiveFile) }
func (j jvm) classpath() string { return filepath.Join(j.jars, "*") }

// node makes a node that runs java with the arguments. The heap may grow to
// heapMB, but starts small; the compiler is the quick one, as test servers do
// not live long enough for the good one.
func (j jvm) node(l layout, name, addr string, heapMB int, args func(*Node) []string) (*Node, error) {
	node, err := l.newNode(name, addr)
	if err != nil {
		return nil, err
	}
	// Tomcat and Jetty unpack into it, and leave that there when killed.
	scratch := filepath.Join(node.dir, "tmp")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, err
	}
	all := append([]string{
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData",
		fmt.Sprintf("-Xmx%dm", heapMB),
		"-XX:SharedArchiveFile=" + j.archive(),
		"-Djava.io.tmpdir=" + scratch,
	}, args(node)...)
	node.command = func() *exec.Cmd { return exec.Command(j.java, all...) }
	return node, nil
}

// archiving are the arguments for the one run whose loaded classes become the
// archive when it ends.
func (j jvm) archiving() []string {
	return []string{"-XX:SharedArchiveFile=", "-XX:ArchiveClassesAtExit=" + j.archive()}
}
