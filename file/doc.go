// Package file finds instances in files: for services that stand where they
// stand, for tests of a deployment, and for the time of a move from one
// registry to another. It reads and never writes.
//
// A registry is one file or a folder of them. A file holds JSON: an instance,
// a list of them, lists by service, or Prometheus' file_sd. An entry may be a
// bare address. Where an entry names no service, the file's name does:
//
//	book.json   ["10.0.0.5:50051", {"addr": "10.0.0.6:50051", "weight": 3}]
//	all.json    {"book": ["10.0.0.5:50051"], "shelf": ["10.0.0.7:80"]}
//	prom.json   [{"targets": ["10.0.0.5:80"], "labels": {"service": "book", "zone": "a"}}]
//
// Files are looked at once a second, and read again when size, time or content
// changed. Replace a file by renaming a new one onto it: whoever looks then
// sees the old or the new one. A file that cannot be read keeps what it said
// last, and is listed among the skipped entries with the reason.
package file
