package health

import "os/exec"

// killGroup leaves os/exec to kill the command alone: Windows has no process
// groups to signal.
func killGroup(*exec.Cmd) {}

// shell is the command that runs a line of text.
func shell(line string) []string { return []string{"cmd", "/C", line} }
