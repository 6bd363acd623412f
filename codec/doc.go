// Package codec turns instances into the bytes that programs of other
// libraries store in a registry, and back.
//
// A driver writes one [Format] and reads all of them: [Decode] recognises
// what it is given, so that programs of several libraries can share a service
// while a fleet moves from one to another.
//
// # What a foreign entry yields
//
// The key says which service and which id; what the value says of them is
// ignored. Metadata keeps every key that the entry has, as text. Four keys of
// it also fill the field of the same name: "weight" (a whole number, brought
// within 1 to 65535), "zone", "version" and "tags" (separated by commas).
// Endpoints given as URLs are sorted by scheme, and the first of grpc, http,
// grpcs, https, then of any other scheme, becomes Addr. An entry without a
// weight has [adsum.DefaultWeight]; one without a status is passing.
//
// # Hostile content
//
// Nothing in a registry is trusted. A value that is too large, nested too
// deeply, or of the wrong type is an error and hides no neighbour. Control
// characters and broken UTF-8 in free text are replaced by U+FFFD, so that
// nothing raw reaches a terminal; in a name, an id or an address they are an
// error. Error messages quote what they show, and cut it.
package codec
