//go:build unix

package servers

// WatchParent is what binds children to this process where the kernel does
// not. It is tested where the kernel does, too.
var WatchParent = watchParent
