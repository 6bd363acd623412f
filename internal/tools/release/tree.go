package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tree is a copy of one commit's files in a folder of its own, with an index
// of its own: changing and committing it touches neither the working tree nor
// the branch.
type tree struct {
	base string // the commit
	top  string // holds dir and the index
	dir  string // the files
	env  []string
}

func checkout(commit string) (*tree, error) {
	base, err := git(nil, "rev-parse", "--verify", commit)
	if err != nil {
		return nil, err
	}
	top, err := os.MkdirTemp("", "adsum-release-")
	if err != nil {
		return nil, err
	}
	t := &tree{base: base, top: top, dir: filepath.Join(top, "tree")}
	t.env = []string{"GIT_INDEX_FILE=" + filepath.Join(top, "index"), "GIT_WORK_TREE=" + t.dir}
	if err := t.fill(); err != nil {
		t.remove()
		return nil, err
	}
	return t, nil
}

func (t *tree) fill() error {
	if err := os.Mkdir(t.dir, 0o755); err != nil {
		return err
	}
	if _, err := git(t.env, "read-tree", t.base); err != nil {
		return err
	}
	_, err := git(t.env, "checkout-index", "--all")
	return err
}

// diff returns what was changed since the commit.
func (t *tree) diff() (string, error) {
	return git(t.env, "diff", t.base)
}

// commit returns a new commit on top of the old one, on no branch.
func (t *tree) commit(message string) (string, error) {
	if _, err := git(t.env, "add", "--update"); err != nil {
		return "", err
	}
	id, err := git(t.env, "write-tree")
	if err != nil {
		return "", err
	}
	return git(t.env, "commit-tree", id, "-p", t.base, "-m", message)
}

func (t *tree) remove() { os.RemoveAll(t.top) }

// git runs a git command at the root of the repository and returns its
// trimmed output.
func git(env []string, args ...string) (string, error) {
	top, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return "", fmt.Errorf("not in a git repository: %w", err)
	}
	cmd := exec.Command("git", args...)
	cmd.Dir = strings.TrimSpace(string(top))
	dir, err := exec.Command("git", "rev-parse", "--absolute-git-dir").Output()
	if err != nil {
		return "", err
	}
	cmd.Env = append(os.Environ(), append([]string{"GIT_DIR=" + strings.TrimSpace(string(dir))}, env...)...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
