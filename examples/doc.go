// Package examples holds complete programs built on adsum.
package examples
