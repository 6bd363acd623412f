// Package following measures what it costs to follow a large service, on any
// registry.
package following
