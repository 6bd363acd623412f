package codec

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adsum-go/adsum"
)

// Format names a way of writing an instance as bytes.
type Format string

// The formats that can be written.
const (
	// Naming is the JSON of gRPC's naming for etcd, with everything else
	// that an instance has under a further key, "adsum", which other
	// readers pass over. "Metadata" is always null: older pairs of etcd
	// client and gRPC panic when it holds an object. "Addr" is the
	// instance's grpc endpoint where it has one, as gRPC programs are the
	// readers of this format.
	Naming Format = "naming"
	// Addr is the bare address: what go-kit and go-zero read.
	Addr Format = "addr"
	// Kratos is the JSON of go-kratos. Weight, zone and tags go into its
	// metadata. An instance without Endpoints is said to speak gRPC.
	Kratos Format = "kratos"
	// Kitex is the JSON of Kitex' registry-etcd. Metadata, zone, version
	// and tags go into its tags.
	Kitex Format = "kitex"
	// Curator is the JSON of Curator's service discovery for ZooKeeper, with
	// everything else that an instance has under a further key, "adsum",
	// which other readers pass over. The payload is the metadata as a plain
	// map, with weight, zone, version and tags, or null if there is nothing
	// to say.
	Curator Format = "curator"
	// Spring is Curator's JSON with the payload of Spring Cloud ZooKeeper.
	Spring Format = "spring"
	// Native is the JSON of this library, which holds everything; no other
	// program reads it.
	Native Format = "native"
)

// Record is what a registry holds under one key.
type Record struct {
	Instance adsum.Instance
	// Claim says whose record it is; zero if the format does not tell.
	Claim adsum.Claim
	// Registered is when the instance was registered, to the millisecond;
	// zero if the format does not tell.
	Registered time.Time
	// Format is what Decode recognised. Encode ignores it.
	Format Format
}

// format is how one Format is written, recognised among JSON objects, and read.
type format struct {
	name     Format
	complete bool // holds everything that a Record says
	encode   func(Record) ([]byte, error)
	// match and decode are nil for formats that are no JSON object.
	match  func(object) bool
	decode func(object) (Record, error)
}

// formats lists all of them, in the order in which Decode asks whether they
// recognise a value: from the most particular marks to the least.
func formats() []format {
	return []format{
		{Native, true, encodeNative, matchNative, decodeNative},
		{Naming, true, encodeNaming, matchNaming, decodeNaming},
		{Spring, true, encodeSpring, matchSpring, decodeCurator},
		{Curator, true, encodeCurator, matchCurator, decodeCurator},
		{Kratos, false, encodeKratos, matchKratos, decodeKratos},
		{Kitex, false, encodeKitex, matchKitex, decodeKitex},
		{Addr, false, encodeAddr, nil, nil},
	}
}

func (f Format) find() (format, bool) {
	all := formats()
	if i := slices.IndexFunc(all, func(g format) bool { return g.name == f }); i >= 0 {
		return all[i], true
	}
	return format{}, false
}

// Parse returns the format of that name, if it is one of those that the
// caller offers, and otherwise an [adsum.ErrInvalid] that lists them.
func Parse(name string, offered ...Format) (Format, error) {
	if slices.Contains(offered, Format(name)) {
		return Format(name), nil
	}
	names := make([]string, len(offered))
	for i, f := range offered {
		names[i] = string(f)
	}
	return "", &adsum.InvalidError{Field: "codec", Value: quote(name), Problem: "there is no such format here",
		Fix: "use one of: " + strings.Join(names, ", ")}
}

// Complete reports whether the format holds everything that a record says, so
// that another program of this library reads back what was written.
func (f Format) Complete() bool {
	g, ok := f.find()
	return ok && g.complete
}

// Encode writes the record. It does no I/O and validates nothing but what the
// format itself cannot hold, which is an [adsum.ErrInvalid].
func (f Format) Encode(r Record) ([]byte, error) {
	g, ok := f.find()
	if !ok {
		return nil, &adsum.InvalidError{Field: "codec", Value: quote(string(f)), Problem: "there is no such format"}
	}
	r.Instance = r.Instance.WithDefaults()
	data, err := g.encode(r)
	if err == nil && len(data) > maxSize {
		return nil, &adsum.InvalidError{Field: "instance", Problem: "it takes " + strconv.Itoa(len(data)) +
			" bytes in the format " + string(f) + ", at most " + strconv.Itoa(maxSize) + " are allowed", Fix: "publish less metadata"}
	}
	return data, err
}
