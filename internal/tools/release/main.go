// Release tags the modules of this repository, in dependency order, and proves
// beforehand that what it would tag can be installed.
//
//	release [-confirm] VERSION    show, or make, the release commit and its tags
//	release -prove                install cmd/adsum from a module proxy made of HEAD
//
// In the tree, modules find each other by relative replace lines, which
// `go install …@version` refuses in a main module. So the tags lie on a commit
// of their own beside the branch: HEAD, with every requirement of a sibling
// set to VERSION and the replace lines dropped. The branch keeps its own.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

func main() {
	confirm := flag.Bool("confirm", false, "make the commit and the tags instead of showing them")
	prove := flag.Bool("prove", false, "install from a local module proxy and run what was installed")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: release [-confirm] VERSION | release -prove")
		flag.PrintDefaults()
	}
	flag.Parse()
	version, action := flag.Arg(0), show
	switch {
	case *prove:
		version, action = provenVersion(time.Now()), proveInstall
	case *confirm:
		action = tag
	}
	if version == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(version, action); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run hands the release tree of HEAD at version to action.
func run(version string, action func(*tree, []module, string) error) error {
	if semver.Canonical(version) != version || semver.Compare(version, "v2.0.0") >= 0 {
		return fmt.Errorf("version %q: give one such as v0.4.0 (a v2 would need new module paths)", version)
	}
	t, err := checkout("HEAD")
	if err != nil {
		return err
	}
	defer t.remove()
	modules, err := rewrite(t.dir, version)
	if err != nil {
		return err
	}
	return action(t, modules, version)
}

func show(t *tree, modules []module, version string) error {
	changes, err := t.diff()
	if err != nil {
		return err
	}
	fmt.Println(changes)
	fmt.Println("tags, in the order to publish them:")
	for _, m := range modules {
		fmt.Println("  " + m.tag(version))
	}
	fmt.Println("nothing was changed; CONFIRM=yes makes the commit and the tags")
	return nil
}

func tag(t *tree, modules []module, version string) error {
	if out, err := git(nil, "status", "--porcelain"); err != nil || out != "" {
		return errors.Join(errors.New("the working tree is not clean: commit first"), err)
	}
	changelog, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	if heading := "## [" + strings.TrimPrefix(version, "v") + "]"; !strings.Contains(string(changelog), heading) {
		return fmt.Errorf("CHANGELOG.md has no section %q: say what is new, then release", heading)
	}
	commit, err := t.commit("Release " + version)
	if err != nil {
		return err
	}
	for _, m := range modules {
		if _, err := git(nil, "tag", "-a", "-m", m.path+" "+version, m.tag(version), commit); err != nil {
			return err
		}
	}
	fmt.Println("tagged; publish in this order:")
	for _, m := range modules {
		fmt.Println("  git push origin " + m.tag(version))
	}
	return nil
}
